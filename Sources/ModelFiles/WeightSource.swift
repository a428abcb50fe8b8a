/// Named tensors that can be read as fp32, whatever they are stored as.
package protocol WeightSource: Sendable {
  /// The file or folder, for messages.
  var place: String { get }
  /// Every tensor, sorted.
  var names: [String] { get }
  /// Rows first; nil when there is no such tensor.
  func shape(of name: String) -> [Int]?

  /// Throws ``TregError`` (65) when the tensor is stored in a way that cannot be read; traps on an unknown name.
  func requireReadable(_ name: String) throws

  /// How a tensor is stored, as the file's format calls it, such as `BF16`; nil when there is no such tensor.
  func storedType(of name: String) -> String?

  /// Reads a whole tensor in row-major order, converted to fp32.
  ///
  /// May be called by several threads at once.
  /// - Parameter values: as many elements as the tensor has; anything else traps, as does an unknown name.
  /// - Throws: ``TregError``: 65 when the stored type is not supported, 74 when the file cannot be read.
  func read(_ name: String, into values: inout MutableSpan<Float>) throws

  /// Reads a tensor as ``read(_:into:)`` does, in consecutive pieces of any size.
  ///
  /// - Parameter body: called with the place of a piece's first element, and the piece.
  func readPieces(_ name: String, _ body: (_ first: Int, UnsafeBufferPointer<Float>) throws -> Void) throws

  /// The files that hold the weights, in a fixed order.
  var files: [String] { get }
}

extension WeightSource {
  /// In one piece.
  package func readPieces(_ name: String, _ body: (_ first: Int, UnsafeBufferPointer<Float>) throws -> Void) throws {
    try values(of: name).withUnsafeBufferPointer { try body(0, $0) }
  }

  /// A whole tensor as a new array.
  package func values(of name: String) throws -> [Float] {
    guard let shape = shape(of: name) else { preconditionFailure("no tensor named \(name)") }
    // Before memory is taken: the size of a tensor of unknown type has not been compared with the file's.
    try requireReadable(name)
    let count = shape.reduce(1, *)
    var values = [Float](repeating: 0, count: count)
    var span = values.mutableSpan
    try read(name, into: &span)
    return values
  }
}
