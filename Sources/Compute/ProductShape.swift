import CBLAS
import CKernels

/// A matrix product of a step by its sizes, and made by the BLAS that is linked: the measure of what our own code adds.
package struct ProductShape: Hashable, Sendable {
  package enum Kind: Sendable {
    /// y[T,N] = x[T,K]·w[N,K]ᵀ
    case forward
    /// dx[T,K] = dy[T,N]·w[N,K]
    case backwardInput
    /// dw[N,K] += dy[T,N]ᵀ·x[T,K]
    case backwardWeight
  }

  package let kind: Kind
  package let rows, outputs, inputs: Int

  package init(_ kind: Kind, rows: Int, outputs: Int, inputs: Int) {
    self.kind = kind
    self.rows = rows
    self.outputs = outputs
    self.inputs = inputs
  }

  /// Multiplications and additions.
  package var operations: Double { 2 * Double(rows) * Double(outputs) * Double(inputs) }
  /// Elements of the wide activations (y, dy), of the narrow ones (x, dx), and of the weight.
  package var outputCount: Int { rows * outputs }
  package var inputCount: Int { rows * inputs }
  package var weightCount: Int { outputs * inputs }

  /// One of `count` parts of about the same size, cut where no sum is cut; nil where nothing is left for it.
  package func part(_ index: Int, of count: Int) -> ProductShape? {
    let whole = kind == .backwardWeight ? outputs : rows
    let size = (whole + count - 1) / count
    let own = min(size, whole - index * size)
    guard own > 0 else { return nil }
    return kind == .backwardWeight
      ? ProductShape(kind, rows: rows, outputs: own, inputs: inputs)
      : ProductShape(kind, rows: own, outputs: outputs, inputs: inputs)
  }

  /// Makes the product with the BLAS, on as many threads as it has been told to use.
  ///
  /// - Parameters: room for ``outputCount``, ``inputCount`` and ``weightCount`` elements.
  package func run(
    wide: UnsafeMutablePointer<Float>, narrow: UnsafeMutablePointer<Float>, weight: UnsafeMutablePointer<Float>
  ) {
    switch kind {
    case .forward:
      MatrixMultiply.forward(
        y: wide, x: narrow, w: weight, rows: rows, outputs: outputs, inputs: inputs, by: .blas)
    case .backwardInput:
      MatrixMultiply.backwardInput(
        dx: narrow, dy: wide, w: weight, rows: rows, outputs: outputs, inputs: inputs, by: .blas)
    case .backwardWeight:
      MatrixMultiply.backwardWeight(
        dw: weight, dy: wide, x: narrow, rows: rows, outputs: outputs, inputs: inputs, by: .blas)
    }
  }

  /// Calls `body` while the BLAS uses so many threads of its own; afterwards each call stays on its thread again.
  package static func withBLASThreads(_ count: Int, _ body: () -> Void) {
    openblas_set_num_threads(Int32(count))
    body()
    tk_single_threaded_blas()
  }
}
