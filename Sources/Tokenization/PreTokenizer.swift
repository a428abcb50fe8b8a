/// Cuts text into the words that the model works on.
struct PreTokenizer: Sendable {
  enum Stage: Sendable {
    case split(TextSplit)
    /// A blank goes before text that does not start with one.
    case blankBefore
    case metaspace(Metaspace)
    /// Every byte by its character of the byte alphabet.
    case byteAlphabet(ByteAlphabet)
    /// Pieces of this many characters.
    case fixedLength(Int)
    case scripts
  }

  typealias Text = UnsafeBufferPointer<UInt8>

  /// In the order in which they cut.
  var stages: [Stage] = []

  /// GPT-2's pattern, which `ByteLevel` with `use_regex` cuts by.
  static let gpt2Pattern =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  /// Calls `body` with each word of `text`, none of them empty.
  ///
  /// - Parameter originCount: see ``NormalizedText``.
  @inline(__always)
  func forEachWord(
    of text: Text, originCount: Int, workspace: MatchWorkspace, _ body: (Text) throws -> Void
  ) throws {
    // The commonest case without recursion: nothing but one pattern.
    if stages.count == 1, case .split(let split) = stages[0], split.behaviour == .isolated {
      return try split.forEachPart(of: text, workspace: workspace) { part in
        if !part.range.isEmpty { try body(Text(rebasing: text[part.range])) }
      }
    }
    try cut(text, originCount, stage: 0, workspace, body)
  }

  private func cut(
    _ text: Text, _ originCount: Int, stage: Int, _ workspace: MatchWorkspace, _ body: (Text) throws -> Void
  ) throws {
    if text.isEmpty { return }
    guard stage < stages.count else { return try body(text) }
    let next = stage + 1
    // What the first character became may have been cut up.
    let originCount = min(originCount, text.count)
    func pass(_ range: Range<Int>) throws {
      guard !range.isEmpty else { return }
      let piece = Text(rebasing: text[range])
      if next == stages.count { return try body(piece) }
      try cut(piece, max(0, originCount - range.lowerBound), stage: next, workspace, body)
    }
    switch stages[stage] {
    case .split(let split):
      switch split.behaviour {
      case .isolated: try split.forEachPart(of: text, workspace: workspace) { try pass($0.range) }
      case .removed:
        try split.forEachPart(of: text, workspace: workspace) { if !$0.matches { try pass($0.range) } }
      default:
        var parts: [TextSplit.Part] = []
        try split.forEachPart(of: text, workspace: workspace) { parts.append($0) }
        for range in TextSplit.combine(parts, split.behaviour) { try pass(range) }
      }
    case .blankBefore:
      if text[0] == UInt8(ascii: " ") { return try cut(text, originCount, stage: next, workspace, body) }
      try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: text.count + 1) { buffer in
        buffer[0] = UInt8(ascii: " ")
        _ = UnsafeMutableBufferPointer(rebasing: buffer[1...]).initialize(fromContentsOf: text)
        try cut(Text(buffer), originCount > 0 ? originCount + 1 : 0, stage: next, workspace, body)
      }
    case .metaspace(let metaspace):
      try metaspace.withPieces(of: text, originCount: originCount) {
        try cut($0, $1, stage: next, workspace, body)
      }
    case .byteAlphabet(let alphabet):
      var spelled: [UInt8] = []
      for byte in text { alphabet.append(byte, to: &spelled) }
      let first = alphabet.spelledCount(of: text[..<originCount])
      try spelled.withUnsafeBufferPointer { try cut($0, first, stage: next, workspace, body) }
    case .fixedLength(let count):
      var start = 0
      while start < text.count {
        var end = start
        for _ in 0..<count where end < text.count { end += UTF8Text.length(text[end]) }
        try pass(start..<end)
        start = end
      }
    case .scripts:
      try UnicodeScript.forEachRun(of: text) { try pass($0) }
    }
  }
}
