import Tokenization

/// Tokens as texts for people, one for each token.
///
/// A byte-level token may hold a part of a character. Such a token shows as `·`, and the token that completes the
/// character shows it; bytes that never become a character show as hexadecimal codes.
enum TokenTexts {
  static func of(_ tokens: some Sequence<Int32>, _ tokenizer: Tokenizer) -> [String] {
    var texts: [String] = []
    var open: [UInt8] = []
    for token in tokens {
      let bytes = open + (tokenizer.bytes(of: token) ?? Array("<\(token)>".utf8))
      let wholeCount = bytes.count - unfinishedCount(bytes)
      var text = String(validating: bytes[..<wholeCount], as: UTF8.self) ?? hexadecimal(bytes[..<wholeCount])
      open = Array(bytes[wholeCount...])
      if !open.isEmpty { text += "·" }
      texts.append(text)
    }
    if !open.isEmpty { texts[texts.count - 1] = String(texts[texts.count - 1].dropLast()) + hexadecimal(open[...]) }
    return texts
  }

  /// Bytes at the end that begin a character of UTF-8 and do not finish it.
  private static func unfinishedCount(_ bytes: [UInt8]) -> Int {
    for back in 1...3 where back <= bytes.count {
      let byte = bytes[bytes.count - back]
      let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : byte >= 0x80 ? 0 : 1
      if length > 0 { return length > back ? back : 0 }
    }
    return 0
  }

  private static func hexadecimal(_ bytes: ArraySlice<UInt8>) -> String {
    bytes.map { "<" + ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) + ">" }.joined()
  }
}
