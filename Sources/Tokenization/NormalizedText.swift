/// Text on its way through normalisation and pre-tokenisation, with the one fact about its origin that matters there:
/// how much of it stems from the very first character of the whole text.
struct NormalizedText {
  var bytes: [UInt8]
  /// This many bytes at the start of `bytes` were made from the first character of the text that was encoded; 0 when
  /// the text starts later. `Metaspace` with the scheme `first` asks for it.
  var originCount: Int

  init(bytes: [UInt8], originCount: Int) {
    self.bytes = bytes
    self.originCount = originCount
  }

  init(_ text: UnsafeBufferPointer<UInt8>, isAtStart: Bool) {
    bytes = Array(text)
    originCount = isAtStart ? UTF8Text.firstLength(text) : 0
  }

  /// Puts other text in the place of this one, whose first character stems from the first character or does not.
  mutating func replace(with new: [UInt8], keepsOrigin: Bool) {
    bytes = new
    let first = new.withUnsafeBufferPointer { UTF8Text.firstLength($0) }
    originCount = keepsOrigin && originCount > 0 ? first : 0
  }
}

/// Lengths and values of characters in well-formed UTF-8.
enum UTF8Text {
  /// Bytes of the character that starts with `lead`.
  @inline(__always)
  static func length(_ lead: UInt8) -> Int {
    lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
  }

  static func firstLength(_ text: UnsafeBufferPointer<UInt8>) -> Int {
    text.isEmpty ? 0 : min(length(text[0]), text.count)
  }

  /// The character that starts at `index`. The text is well-formed, as every Swift string is.
  @inline(__always)
  static func scalar(_ text: UnsafeBufferPointer<UInt8>, _ index: Int) -> (value: UInt32, length: Int) {
    let lead = UInt32(text[index])
    if lead < 0x80 { return (lead, 1) }
    @inline(__always) func tail(_ offset: Int) -> UInt32 { UInt32(text[index + offset] & 0x3F) }
    if lead < 0xE0 { return ((lead & 0x1F) << 6 | tail(1), 2) }
    if lead < 0xF0 { return ((lead & 0x0F) << 12 | tail(1) << 6 | tail(2), 3) }
    return ((lead & 0x07) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3), 4)
  }

  /// Calls `body` with each character and its bytes.
  @inline(__always)
  static func forEachScalar(
    of text: UnsafeBufferPointer<UInt8>, _ body: (Unicode.Scalar, UnsafeBufferPointer<UInt8>) -> Void
  ) {
    var index = 0
    while index < text.count {
      let (value, length) = scalar(text, index)
      body(Unicode.Scalar(value) ?? "\u{FFFD}", UnsafeBufferPointer(rebasing: text[index..<index + length]))
      index += length
    }
  }

  static func append(_ scalar: Unicode.Scalar, to output: inout [UInt8]) {
    UTF8.encode(scalar).map { output.append(contentsOf: $0) }
  }
}
