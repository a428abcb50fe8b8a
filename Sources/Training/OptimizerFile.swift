import Compute
import OrderedJSON
import RunFolder

/// One rank's part of the optimizer's state, a ``HeadedFile``.
///
///     header     step, ranges (elements of the flat buffer); one range may be told as first and count, as it once was
///     payload    first moments of all ranges, then second moments, fp32 little-endian
package enum OptimizerFile {
  private static let format = "TREGOPT1"

  package static func name(rank: Int, of ranks: Int) -> String { "optimizer-\(FileNumber.text(rank, of: ranks)).bin" }

  @discardableResult
  package static func write(_ optimizer: AdamW, to path: String) throws -> FileDigest {
    try write(step: optimizer.step, Moments(of: optimizer, in: optimizer.ranges), to: path)
  }

  /// The same of some moments, which may have been copied from an optimizer.
  static func write(step: Int, _ moments: Moments, to path: String) throws -> FileDigest {
    let header: JSONValue = [
      "step": .integer(step),
      "ranges": .array(moments.parts.map { [.integer($0.range.lowerBound), .integer($0.range.upperBound)] }),
    ]
    return try HeadedFile.write(
      to: path, format: format, header: header,
      payload: [moments.mean, moments.square].flatMap { buffer in
        moments.parts.map { UnsafeRawBufferPointer(buffer.slice($0.place..<$0.place + $0.range.count)) }
      })
  }

  /// What one file holds of the optimizer's moments.
  struct Moments: Sendable {
    let mean, square: FloatBuffer
    /// Elements of the flat buffer that the moments are of, ascending, and where those stand.
    let parts: [(range: Range<Int>, place: Int)]

    init(mean: FloatBuffer, square: FloatBuffer, parts: [(range: Range<Int>, place: Int)]) {
      (self.mean, self.square, self.parts) = (mean, square, parts)
    }

    /// Those that an optimizer has of some elements.
    ///
    /// - Precondition: it holds all of them.
    init(of optimizer: AdamW, in ranges: [Range<Int>]) {
      let parts = SharedRanges.of(optimizer.ranges, ranges).map { (range: $0.range, place: $0.first) }
      precondition(
        parts.reduce(0) { $0 + $1.range.count } == ranges.reduce(0) { $0 + $1.count }, "moments of another rank")
      self.init(mean: optimizer.mean, square: optimizer.square, parts: parts)
    }

    var count: Int { parts.reduce(0) { $0 + $1.range.count } }
  }

  /// Refuses a file that is damaged or of another format.
  static func check(_ path: String) throws { _ = try HeadedFile(readingFrom: path, format: format) }

  /// Copies what the file holds of the optimizer's ranges into it.
  ///
  /// - Parameters:
  ///   - expected: the elements that the file should hold.
  ///   - step: the step it should be of.
  /// - Throws: bad data (65) when the file is damaged or of another checkpoint.
  package static func read(_ path: String, expected: [Range<Int>], step: Int, into optimizer: AdamW) throws {
    let file = try HeadedFile(readingFrom: path, format: format)
    let count = expected.reduce(0) { $0 + $1.count }
    guard ranges(file.header) == expected.filter({ !$0.isEmpty }), file.header["step"]?.integer == step,
      file.payload.count == 8 * count
    else { throw TregError.badData(at: path, "the optimizer's state belongs to another checkpoint") }
    file.payload.withUnsafeBytes { bytes in
      for (moment, buffer) in [optimizer.mean, optimizer.square].enumerated() {
        for part in SharedRanges.of(optimizer.ranges, expected) {
          let source = 4 * (moment * count + part.second)
          UnsafeMutableRawBufferPointer(buffer.slice(part.first..<part.first + part.range.count))
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[source..<source + 4 * part.range.count]))
          Pulse.beat()
        }
      }
    }
  }

  private static func ranges(_ header: JSONValue) -> [Range<Int>]? {
    func range(_ first: Int?, _ end: Int?) -> Range<Int>? {
      guard let first, let end, 0 <= first, first <= end else { return nil }
      return first..<end
    }
    guard let pairs = header["ranges"]?.array else {
      let first = header["first"]?.integer
      return range(first, first.flatMap { first in header["count"]?.integer.map { first + $0 } })
        .map { $0.isEmpty ? [] : [$0] }
    }
    let ranges = pairs.compactMap { range($0.array?.first?.integer, $0.array?.last?.integer) }
    return ranges.count == pairs.count ? ranges : nil
  }
}
