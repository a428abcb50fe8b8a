/// A token that is found in text as a whole, before any word is cut.
struct AddedToken: Sendable {
  var id: Int32
  var content: String
  /// Dropped by decoding that skips special tokens.
  var isSpecial: Bool
  /// Looked for in normalised text.
  var isNormalized: Bool
  /// Takes the white space before it.
  var stripsLeft: Bool
  /// Takes the white space after it.
  var stripsRight: Bool
  /// Counts only where no word character touches it.
  var isSingleWord: Bool

  /// The text under which the token is looked for in normalised text; nil when that is its content.
  func normalizedText(by normalizer: Normalizer?, workspace: MatchWorkspace) throws -> [UInt8]? {
    try Array(content.utf8).withUnsafeBufferPointer { text in
      try normalizer?.normalized(text, isAtStart: true, workspace: workspace)?.bytes
    }
  }
}

/// Finds added tokens in text: of those that start at the leftmost place the longest, then on from its end.
struct AddedTokens: Sendable {
  private struct Node {
    var byte: UInt8
    /// Index into `tokens`, or -1.
    var token: Int32 = -1
    var firstChild: Int32 = -1
    var nextSibling: Int32 = -1
  }

  private var tokens: [AddedToken] = []
  /// The trie; `roots` has one entry for each first byte.
  private var nodes: [Node] = []
  private var roots = [Int32](repeating: -1, count: 256)

  var isEmpty: Bool { tokens.isEmpty }

  /// Adds a token under the text it is found by. Of two with one text the first counts.
  mutating func add(_ token: AddedToken, text: some Sequence<UInt8>) {
    var place: Int32 = -1
    for byte in text {
      place = child(of: place, byte: byte)
    }
    guard place >= 0, nodes[Int(place)].token < 0 else { return }
    nodes[Int(place)].token = Int32(tokens.count)
    tokens.append(token)
  }

  private mutating func child(of parent: Int32, byte: UInt8) -> Int32 {
    var child = parent < 0 ? roots[Int(byte)] : nodes[Int(parent)].firstChild
    while child >= 0, nodes[Int(child)].byte != byte { child = nodes[Int(child)].nextSibling }
    if child >= 0 { return child }
    let new = Int32(nodes.count)
    nodes.append(Node(byte: byte))
    if parent < 0 {
      roots[Int(byte)] = new
    } else {
      nodes[Int(new)].nextSibling = nodes[Int(parent)].firstChild
      nodes[Int(parent)].firstChild = new
    }
    return new
  }

  /// The longest token that starts at `start`: its index and the end of its text.
  @inline(__always)
  private func longest(in text: UnsafeBufferPointer<UInt8>, at start: Int) -> (token: Int, end: Int)? {
    var place = roots[Int(text[start])]
    guard place >= 0 else { return nil }
    var found: (token: Int, end: Int)?
    var index = start
    while place >= 0 {
      index += 1
      let node = nodes[Int(place)]
      if node.token >= 0 { found = (Int(node.token), index) }
      guard index < text.count else { break }
      place = node.firstChild
      while place >= 0, nodes[Int(place)].byte != text[index] { place = nodes[Int(place)].nextSibling }
    }
    return found
  }

  /// Calls `plain` with each stretch of text between tokens, and `token` with each token, in order.
  func split(
    _ text: UnsafeBufferPointer<UInt8>, plain: (UnsafeBufferPointer<UInt8>) throws -> Void,
    token: (Int32) throws -> Void
  ) rethrows {
    guard !tokens.isEmpty else { return try plain(text) }
    var covered = 0
    var index = 0
    while index < text.count {
      guard let match = longest(in: text, at: index) else {
        index += 1
        continue
      }
      var start = index
      var end = match.end
      index = match.end
      let added = tokens[match.token]
      if added.isSingleWord, TextEdges.endsWithWord(text[..<start]) || TextEdges.startsWithWord(text[end...]) {
        continue
      }
      if added.stripsLeft { start = max(TextEdges.startOfTrailingSpace(text[..<start]), covered) }
      if added.stripsRight { end = TextEdges.endOfLeadingSpace(text[end...]) }
      if covered < start { try plain(UnsafeBufferPointer(rebasing: text[covered..<start])) }
      try token(added.id)
      covered = end
    }
    if covered < text.count { try plain(UnsafeBufferPointer(rebasing: text[covered...])) }
  }
}
