import RunFolder

/// Reads the front part of a GGUF file from start to end, little-endian, never beyond the file.
struct GGUFCursor {
  let file: RandomAccessFile
  /// Offset of the next byte in the file.
  private(set) var position = 0
  private var window: [UInt8] = []
  private var windowStart = 0

  init(_ file: RandomAccessFile) { self.file = file }

  var remaining: Int { file.size - position }

  func failure(_ message: String) -> TregError { .badData(at: file.path, message) }

  private func truncated(_ what: String) -> TregError {
    failure("truncated: the file has \(file.size) bytes and ends inside \(what)")
  }

  /// The next `count` bytes as integers of `window`; the caller has checked `remaining`.
  private mutating func fill(_ count: Int) throws {
    guard position < windowStart || position + count > windowStart + window.count else { return }
    window = try file.bytes(at: position, count: min(max(count, 1 << 18), remaining))
    windowStart = position
  }

  mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type = Value.self, _ what: String) throws -> Value {
    let count = MemoryLayout<Value>.size
    guard count <= remaining else { throw truncated(what) }
    try fill(count)
    let start = position - windowStart
    let value = window.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: start, as: Value.self) }
    position += count
    return Value(littleEndian: value)
  }

  /// A 64-bit count that cannot be right when its elements, `minimumSize` bytes each at least, pass the file's end.
  mutating func count(_ what: String, minimumSize: Int) throws -> Int {
    let value = try integer(UInt64.self, what)
    guard value <= UInt64(remaining / minimumSize) else {
      throw failure("\(what) claims \(value) elements, more than the remaining \(remaining) bytes can hold")
    }
    return Int(value)
  }

  mutating func string(_ what: String) throws -> String {
    let count = try count(what, minimumSize: 1)
    try fill(count)
    let start = position - windowStart
    position += count
    guard let text = String(validating: window[start..<(start + count)], as: UTF8.self) else {
      throw failure("\(what) is not UTF-8")
    }
    return text
  }
}
