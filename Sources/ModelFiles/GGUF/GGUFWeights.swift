import RunFolder

/// A GGUF file's tensors under their Hugging Face names and in the layout that those weights have.
package final class GGUFWeights: WeightSource {
  private let file: GGUFFile
  private let architecture: GGUFArchitecture
  /// The file's name of each Hugging Face name.
  private let originals: [String: String]
  private let headDimension: Int
  package let names: [String]

  /// - Parameter leavingOut: the file's names of tensors that are not passed on.
  init(_ file: GGUFFile, architecture: GGUFArchitecture, headDimension: Int, leavingOut: Set<String> = []) {
    self.file = file
    self.architecture = architecture
    self.headDimension = headDimension
    var originals: [String: String] = [:]
    for name in file.names where !leavingOut.contains(name) { originals[architecture.huggingFaceName(name)] = name }
    self.originals = originals
    names = originals.keys.sorted()
  }

  package var place: String { file.place }
  package var files: [String] { file.files }

  package func shape(of name: String) -> [Int]? {
    guard let original = originals[name], let shape = file.shape(of: original) else { return nil }
    return architecture.change(of: original) == .transposed && shape.count == 2 ? shape.reversed() : shape
  }

  package func storedType(of name: String) -> String? { originals[name].flatMap(file.storedType(of:)) }

  package func requireReadable(_ name: String) throws {
    guard let original = originals[name] else { preconditionFailure("no tensor named \(name)") }
    try file.requireReadable(original)
  }

  package func read(_ name: String, into values: inout MutableSpan<Float>) throws {
    guard let original = originals[name], let shape = file.shape(of: original) else {
      preconditionFailure("no tensor named \(name)")
    }
    switch architecture.change(of: original) {
    case .none: try file.read(original, into: &values)
    case .shifted:
      try file.read(original, into: &values)
      for index in 0..<values.count { values[index] -= architecture.normShift }
    case .reordered: try readReordered(original, shape, into: &values)
    case .transposed:
      guard shape.count == 2 else { return try file.read(original, into: &values) }
      let stored = try file.values(of: original)
      values.withUnsafeMutableBufferPointer { target in
        stored.withUnsafeBufferPointer {
          Transposition.copy(from: $0, rows: shape[0], columns: shape[1], to: target)
        }
      }
    }
  }

  /// Hugging Face keeps the first and second halves of a head apart: row `2 i + s` of a head in the file is row
  /// `s · d/2 + i` here.
  private func readReordered(_ original: String, _ shape: [Int], into values: inout MutableSpan<Float>) throws {
    guard shape[0] % headDimension == 0 else {
      throw TregError.badData(
        at: place, "tensor \(original) has \(shape[0]) rows, expected a multiple of the head's \(headDimension)")
    }
    let stored = try file.values(of: original)
    let rowLength = stored.count / max(shape[0], 1)
    let half = headDimension / 2
    values.withUnsafeMutableBufferPointer { target in
      stored.withUnsafeBufferPointer { source in
        for row in 0..<shape[0] {
          let (head, inHead) = row.quotientAndRemainder(dividingBy: headDimension)
          let from = head * headDimension + 2 * (inHead % half) + inHead / half
          _ = UnsafeMutableBufferPointer(rebasing: target[(row * rowLength)..<((row + 1) * rowLength)])
            .update(fromContentsOf: source[(from * rowLength)..<((from + 1) * rowLength)])
        }
      }
    }
  }
}
