/// Whitespace as Python's `str.isspace` and `\s` know it, found in UTF-8 without decoding.
enum Whitespace {
  typealias Bytes = UnsafeBufferPointer<UInt8>

  /// Bytes of the whitespace character at `index`; 0 when there is none.
  @inline(__always)
  static func length(at index: Int, in bytes: Bytes) -> Int {
    let byte = bytes[index]
    if byte < 0x80 { return isASCII(byte) ? 1 : 0 }
    if byte == 0xC2, index + 1 < bytes.count { return bytes[index + 1] == 0x85 || bytes[index + 1] == 0xA0 ? 2 : 0 }
    guard byte == 0xE1 || byte == 0xE2 || byte == 0xE3, index + 2 < bytes.count else { return 0 }
    return isThreeBytes(byte, bytes[index + 1], bytes[index + 2]) ? 3 : 0
  }

  /// Where a run of whitespace that starts at `start` ends.
  static func end(after start: Int, in bytes: Bytes) -> Int {
    var index = start
    while index < bytes.count {
      let length = length(at: index, in: bytes)
      if length == 0 { break }
      index += length
    }
    return index
  }

  /// Where a run of whitespace that ends at `end` starts, not before `limit`.
  static func start(before end: Int, in bytes: Bytes, notBefore limit: Int = 0) -> Int {
    var index = end
    while index > limit {
      let byte = bytes[index - 1]
      if byte < 0x80 {
        guard isASCII(byte) else { break }
        index -= 1
      } else if index - 2 >= limit, bytes[index - 2] == 0xC2, length(at: index - 2, in: bytes) == 2 {
        index -= 2
      } else if index - 3 >= limit, length(at: index - 3, in: bytes) == 3 {
        index -= 3
      } else {
        break
      }
    }
    return index
  }

  static func contains(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
    default: false
    }
  }

  @inline(__always)
  private static func isASCII(_ byte: UInt8) -> Bool {
    byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) || (byte >= 0x1C && byte <= 0x1F)
  }

  private static func isThreeBytes(_ first: UInt8, _ second: UInt8, _ third: UInt8) -> Bool {
    switch (first, second) {
    case (0xE1, 0x9A): third == 0x80
    case (0xE2, 0x80): third <= 0x8A || third == 0xA8 || third == 0xA9 || third == 0xAF
    case (0xE2, 0x81): third == 0x9F
    case (0xE3, 0x80): third == 0x80
    default: false
    }
  }
}
