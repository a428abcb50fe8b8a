/// Runs of one script, as SentencePiece's trainer tells them apart: Hiragana and Katakana count as Han, and a blank
/// belongs to any script.
enum UnicodeScript {
  /// Calls `body` with each run of `text`. What stands before the first character of a script is left out, as
  /// `tokenizers` does.
  static func forEachRun(of text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) throws -> Void) rethrows {
    let classes = CharacterClasses.shared
    var last: UInt8 = 0
    var start = -1
    var index = 0
    while index < text.count {
      let (value, length) = UTF8Text.scalar(text, index)
      let script = classes[value].script
      if script > 0, script != last {
        if start >= 0 { try body(start..<index) }
        start = index
        last = script
      }
      index += length
    }
    if start >= 0 { try body(start..<text.count) }
  }
}
