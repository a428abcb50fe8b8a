import OrderedJSON
import RunFolder

/// One rank's part of the optimizer's state, a ``HeadedFile``.
///
///     header     step, first, count (elements of the flat buffer)
///     payload    first moments, then second moments, fp32 little-endian
enum OptimizerFile {
  private static let format = "TREGOPT1"

  static func name(rank: Int, of ranks: Int) -> String { "optimizer-\(FileNumber.text(rank, of: ranks)).bin" }

  static func write(_ optimizer: AdamW, to path: String) throws {
    let header: JSONValue = [
      "step": .integer(optimizer.step), "first": .integer(optimizer.shard.lowerBound),
      "count": .integer(optimizer.shard.count),
    ]
    try HeadedFile.write(
      to: path, format: format, header: header,
      payload: [UnsafeRawBufferPointer(optimizer.mean.all), UnsafeRawBufferPointer(optimizer.square.all)])
  }

  /// Copies what the file holds of the optimizer's shard into it.
  ///
  /// - Parameters:
  ///   - expected: the elements that the file should hold.
  ///   - step: the step it should be of.
  /// - Throws: bad data (65) when the file is damaged or of another checkpoint.
  static func read(_ path: String, expected: Range<Int>, step: Int, into optimizer: AdamW) throws {
    let file = try HeadedFile(readingFrom: path, format: format)
    guard file.header["first"]?.integer == expected.lowerBound, file.header["count"]?.integer == expected.count,
      file.header["step"]?.integer == step, file.payload.count == 8 * expected.count
    else { throw TregError.badData(at: path, "the optimizer's state belongs to another checkpoint") }
    let shared = optimizer.shard.clamped(to: expected)
    file.payload.withUnsafeBytes { bytes in
      for (moment, buffer) in [optimizer.mean, optimizer.square].enumerated() {
        let source = 4 * (moment * expected.count + shared.lowerBound - expected.lowerBound)
        UnsafeMutableRawBufferPointer(
          buffer.slice(shared.lowerBound - optimizer.shard.lowerBound..<shared.upperBound - optimizer.shard.lowerBound)
        ).copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[source..<source + 4 * shared.count]))
      }
    }
  }
}
