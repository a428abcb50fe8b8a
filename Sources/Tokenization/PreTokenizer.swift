/// Cuts text into the words that BPE works on.
struct PreTokenizer: Sendable {
  /// In the order in which they cut.
  var splits: [TextSplit] = []
  /// A blank goes before text that does not start with one, ahead of the last split when that is GPT-2's.
  var addsPrefixSpace = false
  /// The number of splits that come before the blank is added.
  var splitsBeforePrefixSpace = 0

  /// GPT-2's pattern, which `ByteLevel` with `use_regex` cuts by.
  static let gpt2Pattern =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  /// Calls `body` with each word of `text`.
  func forEachWord(
    of text: UnsafeBufferPointer<UInt8>, workspace: MatchWorkspace,
    _ body: (UnsafeBufferPointer<UInt8>) throws -> Void
  ) throws {
    try cut(text, stage: 0, prefixed: false, workspace: workspace, body)
  }

  private func cut(
    _ text: UnsafeBufferPointer<UInt8>, stage: Int, prefixed: Bool, workspace: MatchWorkspace,
    _ body: (UnsafeBufferPointer<UInt8>) throws -> Void
  ) throws {
    if text.isEmpty { return }
    if addsPrefixSpace, !prefixed, stage == splitsBeforePrefixSpace, text[0] != UInt8(ascii: " ") {
      let spaced = [UInt8(ascii: " ")] + text
      return try spaced.withUnsafeBufferPointer {
        try cut($0, stage: stage, prefixed: true, workspace: workspace, body)
      }
    }
    guard stage < splits.count else { return try body(text) }
    let split = splits[stage]
    let isLast = stage + 1 == splits.count && !(addsPrefixSpace && splitsBeforePrefixSpace > stage)
    if split.behaviour == .isolated {
      return try split.forEachPart(of: text, workspace: workspace) { part in
        let piece = UnsafeBufferPointer(rebasing: text[part.range])
        if isLast {
          if !piece.isEmpty { try body(piece) }
        } else {
          try cut(piece, stage: stage + 1, prefixed: prefixed, workspace: workspace, body)
        }
      }
    }
    var parts: [TextSplit.Part] = []
    try split.forEachPart(of: text, workspace: workspace) { parts.append($0) }
    for range in TextSplit.combine(parts, split.behaviour) {
      try cut(
        UnsafeBufferPointer(rebasing: text[range]), stage: stage + 1, prefixed: prefixed, workspace: workspace, body)
    }
  }
}
