/// A sequence of tokens, some of which are scored: their log-probabilities are wanted.
package struct ScoredSequence: Sendable, Equatable {
  package let tokens: [Int32]
  /// Indices of the scored tokens. The first token of a sequence has no predecessor and cannot be scored.
  package let scored: Range<Int>

  /// - Precondition: `scored` lies inside the sequence and does not hold its first token.
  package init(tokens: [Int32], scored: Range<Int>) {
    precondition(scored.isEmpty || (scored.lowerBound > 0 && scored.upperBound <= tokens.count), "\(scored) scored")
    self.tokens = tokens
    self.scored = scored
  }
}

/// Sequences that share prefixes, as a tree of token segments in which every prefix is held, and computed, once.
///
/// A segment attends to itself and to its ancestors. Sharing is maximal: two sequences part where their tokens first
/// differ, even inside a scored span, since what a causal model computes for a token depends on the tokens before it
/// alone. A token that is scored in several sequences is a target of each, with a coefficient of its own.
///
/// Segments are in depth-first order: a segment's first child follows it, so that a path from the root is made of few
/// contiguous runs.
package struct TokenTree: Sendable {
  package struct Segment: Sendable, Equatable {
    /// Index of the parent segment; nil at a root.
    package let parent: Int?
    /// Where the segment's tokens stand in ``TokenTree/tokens``.
    package let tokens: Range<Int>
    /// Position of the first token, counted from the start of the sequence.
    package let position: Int
    /// What the length of the segment's sequences means to the model's positions.
    package let regime: Int
  }

  /// One scored token: the position that predicts it, and its id.
  package struct Target: Sendable, Equatable {
    package let segment: Int
    /// Index of the predicting token inside the segment.
    package let offset: Int
    package let token: Int32
  }

  /// Tokens of all segments, one segment after the other.
  package private(set) var tokens: [Int32] = []
  package private(set) var segments: [Segment] = []
  /// Targets of all sequences, one sequence after the other.
  package private(set) var targets: [Target] = []
  /// For each sequence, where its targets stand in ``targets``.
  package private(set) var targetRanges: [Range<Int>] = []

  package var tokenCount: Int { tokens.count }

  /// - Parameter regime: from a sequence's length; sequences of different regimes share nothing. 0 is the usual one.
  package init(_ sequences: [ScoredSequence], regime: (_ length: Int) -> Int = { _ in 0 }) {
    var trie = Trie(sequences: sequences.count)
    let leaves = sequences.map { trie.insert($0.tokens[...], regime: regime($0.tokens.count)) }
    trie.number()
    segments.reserveCapacity(trie.nodes.count)
    tokens.reserveCapacity(trie.nodes.reduce(0) { $0 + $1.tokens.count })
    trie.visit { node in
      let first = tokens.count
      tokens += node.tokens
      segments.append(
        Segment(
          parent: node.parent.map { trie.nodes[$0].number }, tokens: first..<tokens.count, position: node.position,
          regime: node.regime))
    }
    targetRanges.reserveCapacity(sequences.count)
    for sequence in sequences {
      let first = targetRanges.last?.upperBound ?? 0
      targetRanges.append(first..<first + sequence.scored.count)
    }
    targets = [Target](repeating: Target(segment: 0, offset: 0, token: 0), count: targetRanges.last?.upperBound ?? 0)
    for (place, sequence) in sequences.enumerated() {
      // From the last token back, as a node knows what stands above it.
      var node = leaves[place]
      for index in sequence.scored.reversed() {
        while index - 1 < trie.nodes[node].position { node = trie.nodes[node].parent! }
        targets[targetRanges[place].lowerBound + index - sequence.scored.lowerBound] = Target(
          segment: trie.nodes[node].number, offset: index - 1 - trie.nodes[node].position,
          token: sequence.tokens[index])
      }
    }
  }
}

/// The tree while sequences are added to it. Children of a node are a chain, the oldest first; so are the roots.
private struct Trie {
  struct Node {
    var parent: Int?
    var tokens: ArraySlice<Int32>
    var position: Int
    var regime: Int
    var firstChild: Int?
    var nextSibling: Int?
    /// Place in depth-first order.
    var number = 0
  }

  private(set) var nodes: [Node] = []
  private var firstRoot: Int?

  init(sequences: Int) {
    // Each adds one node, and one more where it splits another.
    nodes.reserveCapacity(2 * sequences)
  }

  /// Adds a sequence and returns the node in which it ends; that node keeps the sequence's last tokens when it is split.
  mutating func insert(_ sequence: ArraySlice<Int32>, regime: Int) -> Int {
    precondition(!sequence.isEmpty, "an empty sequence has no place in a tree")
    var rest = sequence
    var parent: Int?
    while true {
      guard let child = child(of: parent, beginning: rest.first!, regime: regime) else {
        return append(rest, under: parent, position: sequence.count - rest.count, regime: regime)
      }
      let common = commonCount(nodes[child].tokens, rest)
      rest = rest.dropFirst(common)
      if common < nodes[child].tokens.count {
        let head = split(child, at: common)
        return rest.isEmpty ? head : append(rest, under: head, position: sequence.count - rest.count, regime: regime)
      }
      if rest.isEmpty { return child }
      parent = child
    }
  }

  private func commonCount(_ left: ArraySlice<Int32>, _ right: ArraySlice<Int32>) -> Int {
    let limit = min(left.count, right.count)
    var count = 0
    while count < limit, left[left.startIndex + count] == right[right.startIndex + count] { count += 1 }
    return count
  }

  private func firstChild(of parent: Int?) -> Int? { parent.map { nodes[$0].firstChild } ?? firstRoot }

  private func child(of parent: Int?, beginning token: Int32, regime: Int) -> Int? {
    var next = firstChild(of: parent)
    while let node = next {
      if nodes[node].tokens.first == token, nodes[node].regime == regime { return node }
      next = nodes[node].nextSibling
    }
    return nil
  }

  private mutating func append(_ tokens: ArraySlice<Int32>, under parent: Int?, position: Int, regime: Int) -> Int {
    let index = nodes.count
    nodes.append(Node(parent: parent, tokens: tokens, position: position, regime: regime))
    guard var last = firstChild(of: parent) else {
      if let parent { nodes[parent].firstChild = index } else { firstRoot = index }
      return index
    }
    while let next = nodes[last].nextSibling { last = next }
    nodes[last].nextSibling = index
    return index
  }

  /// Puts the first `count` tokens of a node into a new node above it, and returns that one. Sequences that end in the
  /// node still end in it.
  private mutating func split(_ node: Int, at count: Int) -> Int {
    let old = nodes[node]
    let head = nodes.count
    nodes.append(
      Node(
        parent: old.parent, tokens: old.tokens.prefix(count), position: old.position, regime: old.regime,
        firstChild: node, nextSibling: old.nextSibling))
    nodes[node].parent = head
    nodes[node].nextSibling = nil
    nodes[node].tokens = old.tokens.dropFirst(count)
    nodes[node].position = old.position + count
    var before = firstChild(of: old.parent)!
    if before == node {
      if let parent = old.parent { nodes[parent].firstChild = head } else { firstRoot = head }
      return head
    }
    while nodes[before].nextSibling != node { before = nodes[before].nextSibling! }
    nodes[before].nextSibling = head
    return head
  }

  /// Gives every node its place in depth-first order.
  mutating func number() {
    var (next, count) = (firstRoot, 0)
    while let node = next {
      nodes[node].number = count
      count += 1
      next = follower(of: node)
    }
  }

  /// Calls `body` with the nodes in depth-first order.
  func visit(_ body: (Node) -> Void) {
    var next = firstRoot
    while let node = next {
      body(nodes[node])
      next = follower(of: node)
    }
  }

  /// The node after another in depth-first order.
  private func follower(of node: Int) -> Int? {
    if let child = nodes[node].firstChild { return child }
    var node = node
    while nodes[node].nextSibling == nil {
      guard let parent = nodes[node].parent else { return nil }
      node = parent
    }
    return nodes[node].nextSibling
  }
}
