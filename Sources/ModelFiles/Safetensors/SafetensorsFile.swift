import RunFolder

/// One safetensors file.
package final class SafetensorsFile: WeightSource {
  private let file: RandomAccessFile
  private let header: SafetensorsHeader
  package let names: [String]

  /// Opens a file and checks its whole header.
  ///
  /// - Throws: ``TregError``: 66 when it is missing, 65 when it is truncated or its header lies.
  package init(_ path: String) throws {
    file = try RandomAccessFile(path)
    header = try SafetensorsHeader(of: file)
    names = header.entries.keys.sorted()
  }

  package var place: String { file.path }
  package var files: [String] { [file.path] }

  package func shape(of name: String) -> [Int]? { header.entries[name]?.shape }

  package func storedType(of name: String) -> String? { header.entries[name]?.type }

  package func requireReadable(_ name: String) throws { _ = try readable(name) }

  private func readable(_ name: String) throws -> (StorageType, SafetensorsHeader.Entry) {
    guard let entry = header.entries[name] else { preconditionFailure("no tensor named \(name)") }
    guard let type = StorageType(safetensorsName: entry.type) else {
      throw TregError.badData(at: place, "tensor \(name) has dtype \(entry.type), expected F32, F16 or BF16")
    }
    return (type, entry)
  }

  package func read(_ name: String, into values: inout MutableSpan<Float>) throws {
    let (type, entry) = try readable(name)
    precondition(values.count * type.byteCount == entry.range.count, "tensor \(name) has another size")
    try values.withUnsafeMutableBufferPointer { buffer in
      try Conversion.read(type, from: file, at: entry.range.lowerBound, into: buffer)
    }
  }

  package func readPieces(_ name: String, _ body: (_ first: Int, UnsafeBufferPointer<Float>) throws -> Void) throws {
    let (type, entry) = try readable(name)
    let count = entry.range.count / type.byteCount
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: min(Conversion.piece, max(count, 1)))
    defer { buffer.deallocate() }
    for first in stride(from: 0, to: count, by: Conversion.piece) {
      let piece = UnsafeMutableBufferPointer(rebasing: buffer[..<min(Conversion.piece, count - first)])
      try Conversion.read(type, from: file, at: entry.range.lowerBound + first * type.byteCount, into: piece)
      try body(first, UnsafeBufferPointer(piece))
    }
  }
}
