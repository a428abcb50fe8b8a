import ModelDescription
import RunFolder

/// A model's weights with an adapter merged in: W + s·B·A, made as a tensor is read.
package struct MergedWeights: WeightSource {
  private let base: any WeightSource
  private let adapter: AdapterFolder
  /// By the names under which the base holds the weights.
  private let projections: [String: (projection: LowRankLayout.Projection, isStoredTransposed: Bool)]

  /// - Parameter layout: the adapter's on the model.
  init(_ base: any WeightSource, _ adapter: AdapterFolder, _ layout: LowRankLayout, model: ModelDescription) throws {
    self.base = base
    self.adapter = adapter
    let stored = Dictionary(
      uniqueKeysWithValues: zip(model.parameters, try base.storedNames(of: model)).map { ($0.name, ($0, $1)) })
    var projections: [String: (LowRankLayout.Projection, Bool)] = [:]
    for projection in layout.projections {
      let (parameter, name) = stored[projection.module + ".weight"]!
      projections[name] = (projection, parameter.isStoredTransposed)
    }
    self.projections = projections
  }

  package var place: String { adapter.path }
  package var names: [String] { base.names }
  package var files: [String] { base.files + adapter.weights.files }
  package func shape(of name: String) -> [Int]? { base.shape(of: name) }
  package func storedType(of name: String) -> String? { base.storedType(of: name) }
  package func requireReadable(_ name: String) throws { try base.requireReadable(name) }

  package func read(_ name: String, into values: inout MutableSpan<Float>) throws {
    try base.read(name, into: &values)
    guard let (projection, isTransposed) = projections[name] else { return }
    var a = try adapter.weights.values(of: projection.a.name)
    var b = try adapter.weights.values(of: projection.b.name)
    let (inputs, outputs, scale) = (projection.inputs, projection.outputs.count, Float(projection.scale))
    // W[outputs, inputs] += (s·B)[outputs, r] · A[r, inputs], or the same of all transposed.
    if isTransposed {
      (a, b) = (Self.transposed(b, columns: a.count / inputs), Self.transposed(a, columns: inputs))
    }
    let (rows, columns, rank) =
      isTransposed ? (inputs, outputs, a.count / outputs) : (outputs, inputs, a.count / inputs)
    values.withUnsafeMutableBufferPointer { values in
      a.withUnsafeBufferPointer { a in
        for row in 0..<rows {
          let target = values.baseAddress! + row * columns
          for k in 0..<rank {
            let factor = scale * b[row * rank + k]
            let source = a.baseAddress! + k * columns
            for column in 0..<columns { target[column] += factor * source[column] }
          }
        }
      }
    }
  }

  private static func transposed(_ values: [Float], columns: Int) -> [Float] {
    let rows = values.count / columns
    return (0..<values.count).map { values[$0 % rows * columns + $0 / rows] }
  }
}
