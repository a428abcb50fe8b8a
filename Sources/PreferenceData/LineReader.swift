import RunFolder

/// The lines of a file, decompressed, one at a time.
final class LineReader {
  enum Line {
    case text(ArraySlice<UInt8>)
    /// The line has more bytes than ``LineReader/maximumCount``; it was passed over without being kept.
    case oversize
  }

  let path: String
  let maximumCount: Int
  /// The number of the line returned last, from 1.
  var line = 0
  private let bytes: any ByteSource
  var buffer: [UInt8] = []
  var start = 0
  private var ended = false
  private let pieceCount = 1 << 18

  init(_ bytes: any ByteSource, path: String, maximumCount: Int) {
    self.bytes = bytes
    self.path = path
    self.maximumCount = maximumCount
  }

  /// Whether the first byte that is no blank is `byte`; reads ahead without consuming.
  func starts(with byte: UInt8) throws -> Bool {
    var position = 0
    if try fill(), buffer.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    while true {
      while position < buffer.count {
        if buffer[position] != 0x20, !(0x09...0x0D).contains(buffer[position]) { return buffer[position] == byte }
        position += 1
      }
      if try !fill() || position > maximumCount { return false }
    }
  }

  /// The next line without its end (LF or CR LF); nil after the last one.
  ///
  /// - Throws: 65 for damaged or truncated compression, 74 when reading fails.
  func next() throws -> Line? {
    var searched = start
    var oversize = false
    while true {
      if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        return finish(start..<end, next: end + 1, oversize: oversize)
      }
      searched = buffer.count
      if buffer.count - start > maximumCount + 1 {
        oversize = true
        buffer.removeAll(keepingCapacity: true)
        start = 0
        searched = 0
      }
      let consumed = start
      if try !fill() {
        guard oversize || start < buffer.count else { return nil }
        return finish(start..<buffer.count, next: buffer.count, oversize: oversize)
      }
      // Filling drops what was consumed and so moves what is kept.
      searched -= consumed - start
    }
  }

  private func finish(_ range: Range<Int>, next: Int, oversize: Bool) -> Line {
    line += 1
    start = next
    var text = buffer[range]
    if text.last == UInt8(ascii: "\r") { text.removeLast() }
    return oversize || text.count > maximumCount ? .oversize : .text(text)
  }

  /// Appends the next piece of the file to the buffer; false at its end.
  func fill() throws -> Bool {
    if ended { return false }
    if start > 0 {
      buffer.removeSubrange(..<start)
      start = 0
    }
    let before = buffer.count
    buffer.append(contentsOf: repeatElement(0, count: pieceCount))
    var count = 0
    defer { buffer.removeLast(pieceCount - count) }
    do {
      count = try buffer[before...].withUnsafeMutableBytes { try bytes.read(into: $0) }
    } catch CompressionDamage.cutOff {
      throw TregError.badData(at: path, "the compressed file is cut off after line \(line)")
    } catch CompressionDamage.damaged(let reason) {
      throw TregError.badData(at: path, "the compressed file is damaged after line \(line): \(reason)")
    }
    if count == 0 { ended = true }
    return count > 0
  }
}
