/// Words and white space at the ends of UTF-8 text.
enum TextEdges {
  typealias Text = Slice<UnsafeBufferPointer<UInt8>>

  static func startsWithWord(_ text: Text) -> Bool {
    first(text).map { isWord($0.scalar) } ?? false
  }

  static func endsWithWord(_ text: Text) -> Bool {
    last(text).map { isWord($0.scalar) } ?? false
  }

  /// Where the white space at the end of `text` starts; its end when there is none.
  static func startOfTrailingSpace(_ text: Text) -> Int {
    var end = text.endIndex
    while let (scalar, start) = last(text[..<end]), scalar.properties.isWhitespace { end = start }
    return end
  }

  /// Where the white space at the start of `text` ends.
  static func endOfLeadingSpace(_ text: Text) -> Int {
    var start = text.startIndex
    while let (scalar, end) = first(text[start...]), scalar.properties.isWhitespace { start = end }
    return start
  }

  /// Bytes of the white-space character at `index`; 0 when there is none.
  @inline(__always)
  static func spaceLength(_ text: UnsafeBufferPointer<UInt8>, _ index: Int) -> Int {
    let byte = text[index]
    if byte < 0x80 { return byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) ? 1 : 0 }
    // White space outside ASCII starts with these bytes: U+0085, U+00A0; U+1680; U+2000…U+205F; U+3000.
    guard byte == 0xC2 || (byte >= 0xE1 && byte <= 0xE3) else { return 0 }
    let (value, length) = UTF8Text.scalar(text, index)
    switch value {
    case 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: return length
    default: return 0
    }
  }

  /// Where the last character of text that is not empty starts; its end for empty text.
  static func startOfLastCharacter(_ text: Text) -> Int { last(text)?.start ?? text.endIndex }

  private static func isWord(_ scalar: Unicode.Scalar) -> Bool { CharacterClasses.shared[scalar.value].isWord }

  /// The first character and the index after it. The text is well-formed, as every Swift string is.
  private static func first(_ text: Text) -> (scalar: Unicode.Scalar, end: Int)? {
    guard let lead = text.first else { return nil }
    let count = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
    let end = min(text.startIndex + count, text.endIndex)
    return decode(text[text.startIndex..<end]).map { ($0, end) }
  }

  /// The last character and its index.
  private static func last(_ text: Text) -> (scalar: Unicode.Scalar, start: Int)? {
    guard !text.isEmpty else { return nil }
    var start = text.endIndex - 1
    while start > text.startIndex, text[start] & 0xC0 == 0x80 { start -= 1 }
    return decode(text[start...]).map { ($0, start) }
  }

  private static func decode(_ bytes: Text) -> Unicode.Scalar? {
    String(decoding: bytes, as: UTF8.self).unicodeScalars.first
  }
}
