import OrderedJSON
import RunFolder

/// One rank's part of the optimizer's state.
///
///     bytes 0–7    "TREGOPT1"
///     bytes 8–15   length of the header, UInt64 little-endian
///     header       JSON: step, first, count (elements of the flat buffer), hash (XXH3-128 of the payload)
///     payload      first moments, then second moments, fp32 little-endian
enum OptimizerFile {
  private static let magic = Array("TREGOPT1".utf8)

  static func name(rank: Int, of ranks: Int) -> String {
    func digits(_ number: Int) -> String {
      String(repeating: "0", count: max(0, 5 - String(number).count)) + String(number)
    }
    return "optimizer-\(digits(rank))-of-\(digits(ranks)).bin"
  }

  static func write(_ optimizer: AdamW, to path: String) throws {
    var hash = ContentHash()
    hash.update(UnsafeRawBufferPointer(optimizer.mean.all))
    hash.update(UnsafeRawBufferPointer(optimizer.square.all))
    let header: JSONValue = [
      "step": .integer(optimizer.step), "first": .integer(optimizer.shard.lowerBound),
      "count": .integer(optimizer.shard.count), "hash": .string(hash.hexadecimal),
    ]
    let text = Array(header.text().utf8)
    try AtomicFile.write(to: path) { file in
      try file.write(magic)
      try file.write(valuesOf: [UInt64(text.count).littleEndian])
      try file.write(text)
      try file.write(UnsafeRawBufferPointer(optimizer.mean.all))
      try file.write(UnsafeRawBufferPointer(optimizer.square.all))
    }
  }

  /// Copies what the file holds of the optimizer's shard into it.
  ///
  /// - Parameter expected: the elements that the file should hold.
  /// - Throws: bad data (65) when the file is damaged or of another checkpoint.
  static func read(_ path: String, expected: Range<Int>, into optimizer: AdamW) throws {
    let bytes = try FileSystem.readBytes(path)
    func damaged() -> TregError { .badData(at: path, "the optimizer's state is damaged") }
    guard bytes.count >= 16, bytes[..<8].elementsEqual(magic) else { throw damaged() }
    let length = bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)) }
    guard length <= UInt64(bytes.count - 16), let header = try? JSONValue(parsing: bytes[16..<16 + Int(length)]) else {
      throw damaged()
    }
    let start = 16 + Int(length)
    var hash = ContentHash()
    hash.update(bytes[start...])
    guard header["first"]?.integer == expected.lowerBound, header["count"]?.integer == expected.count,
      bytes.count - start == 8 * expected.count, header["hash"]?.string == hash.hexadecimal
    else { throw damaged() }
    let shared = optimizer.shard.clamped(to: expected)
    bytes.withUnsafeBytes { bytes in
      for (moment, buffer) in [optimizer.mean, optimizer.square].enumerated() {
        let source = start + 4 * (moment * expected.count + shared.lowerBound - expected.lowerBound)
        UnsafeMutableRawBufferPointer(
          buffer.slice(shared.lowerBound - optimizer.shard.lowerBound..<shared.upperBound - optimizer.shard.lowerBound)
        ).copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[source..<source + 4 * shared.count]))
      }
    }
  }
}
