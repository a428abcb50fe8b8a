import CZlib
import Glibc
import RunFolder

/// The lines of a file, plain or gzip-compressed (told by its first bytes), one at a time.
final class LineReader {
  enum Line {
    case text(ArraySlice<UInt8>)
    /// The line has more bytes than ``LineReader/maximumCount``; it was passed over without being kept.
    case oversize
  }

  let path: String
  let maximumCount: Int
  /// The number of the line returned last, from 1.
  private(set) var line = 0
  private let file: gzFile
  private var buffer: [UInt8] = []
  private var start = 0
  private var ended = false
  private let pieceCount = 1 << 18

  /// - Throws: 66 when the file is missing, 77 when it may not be read.
  init(path: String, maximumCount: Int) throws {
    self.path = path
    self.maximumCount = maximumCount
    if FileSystem.kind(of: path) == .folder { throw FileSystem.error(EISDIR, .reading, path) }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileSystem.error(errno, .reading, path) }
    guard let file = gzdopen(descriptor, "rb") else {
      close(descriptor)
      throw TregError.inputOutput(at: path, "cannot read it: no memory for decompression")
    }
    self.file = file
    gzbuffer(file, UInt32(pieceCount))
  }

  deinit {
    gzclose_r(file)
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

  /// All bytes from the present place on; nil when there are more than `limit`.
  func rest(limit: Int) throws -> [UInt8]? {
    while try fill() {
      if buffer.count - start > limit { return nil }
    }
    return Array(buffer[start...])
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
  private func fill() throws -> Bool {
    if ended { return false }
    if start > 0 {
      buffer.removeSubrange(..<start)
      start = 0
    }
    let before = buffer.count
    buffer.append(contentsOf: repeatElement(0, count: pieceCount))
    let count = buffer[before...].withUnsafeMutableBytes { gzread(file, $0.baseAddress, UInt32(pieceCount)) }
    let code = errno
    buffer.removeLast(pieceCount - max(0, Int(count)))
    var status: Int32 = Z_OK
    let message = gzerror(file, &status).map { String(cString: $0) } ?? ""
    // A cut file gives its last bytes first and then this status.
    if status == Z_BUF_ERROR {
      throw TregError.badData(at: path, "the compressed file is cut off after line \(line)")
    }
    if status == Z_ERRNO { throw FileSystem.error(code, .reading, path) }
    guard status == Z_OK || status == Z_STREAM_END, count >= 0 else {
      // zlib puts the file's name before its words.
      let reason = message.split(separator: ": ").last ?? "unknown error"
      throw TregError.badData(at: path, "the compressed file is damaged after line \(line): \(reason)")
    }
    if count == 0 { ended = true }
    return count > 0
  }
}
