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

  /// `\w` of UTS #18: letters, marks, decimal numbers, connectors and joiners.
  private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
    let properties = scalar.properties
    if properties.isAlphabetic || properties.isJoinControl { return true }
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: return true
    default: return false
    }
  }

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
