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
    package let tokens: [Int32]
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

  package private(set) var segments: [Segment] = []
  /// Targets of all sequences, one sequence after the other.
  package private(set) var targets: [Target] = []
  /// For each sequence, where its targets stand in ``targets``.
  package private(set) var targetRanges: [Range<Int>] = []

  package var tokenCount: Int { segments.reduce(0) { $0 + $1.tokens.count } }

  /// - Parameter regime: from a sequence's length; sequences of different regimes share nothing. 0 is the usual one.
  package init(_ sequences: [ScoredSequence], regime: (_ length: Int) -> Int = { _ in 0 }) {
    var trie = Trie()
    let paths = sequences.map { trie.insert($0.tokens[...], regime: regime($0.tokens.count)) }
    let order = trie.depthFirst()
    var indexOfNode = [Int](repeating: 0, count: trie.nodes.count)
    for (index, node) in order.enumerated() { indexOfNode[node] = index }
    segments = order.map { node in
      let node = trie.nodes[node]
      return Segment(
        parent: node.parent.map { indexOfNode[$0] }, tokens: Array(node.tokens), position: node.position,
        regime: node.regime)
    }
    for (sequence, leaf) in zip(sequences, paths) {
      // A later insertion may have split the path, so it is walked once all sequences are in.
      let path = trie.path(to: leaf).map { indexOfNode[$0] }
      let first = targets.count
      var step = 0
      for index in sequence.scored {
        while index - 1 >= segments[path[step]].position + segments[path[step]].tokens.count { step += 1 }
        let segment = path[step]
        targets.append(
          Target(segment: segment, offset: index - 1 - segments[segment].position, token: sequence.tokens[index]))
      }
      targetRanges.append(first..<targets.count)
    }
  }
}

/// The tree while sequences are added to it.
private struct Trie {
  struct Node {
    var parent: Int?
    var tokens: ArraySlice<Int32>
    var position: Int
    var regime: Int
    var children: [Int] = []
  }

  var nodes: [Node] = []
  var roots: [Int] = []

  /// Adds a sequence and returns the node in which it ends; that node keeps the sequence's last tokens when it is split.
  mutating func insert(_ sequence: ArraySlice<Int32>, regime: Int) -> Int {
    precondition(!sequence.isEmpty, "an empty sequence has no place in a tree")
    var rest = sequence
    var parent: Int?
    while true {
      let siblings = parent.map { nodes[$0].children } ?? roots
      guard
        let child = siblings.first(where: {
          nodes[$0].tokens.first == rest.first && nodes[$0].regime == regime
        })
      else {
        return append(rest, under: parent, position: sequence.count - rest.count, regime: regime)
      }
      let common = zip(nodes[child].tokens, rest).prefix { $0 == $1 }.count
      if common < nodes[child].tokens.count {
        let head = split(child, at: common)
        rest = rest.dropFirst(common)
        return rest.isEmpty ? head : append(rest, under: head, position: sequence.count - rest.count, regime: regime)
      }
      rest = rest.dropFirst(common)
      if rest.isEmpty { return child }
      parent = child
    }
  }

  private mutating func append(_ tokens: ArraySlice<Int32>, under parent: Int?, position: Int, regime: Int) -> Int {
    nodes.append(Node(parent: parent, tokens: tokens, position: position, regime: regime))
    let index = nodes.count - 1
    if let parent { nodes[parent].children.append(index) } else { roots.append(index) }
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
        children: [node]))
    nodes[node].parent = head
    nodes[node].tokens = old.tokens.dropFirst(count)
    nodes[node].position = old.position + count
    if let parent = old.parent {
      nodes[parent].children[nodes[parent].children.firstIndex(of: node)!] = head
    } else {
      roots[roots.firstIndex(of: node)!] = head
    }
    return head
  }

  func path(to node: Int) -> [Int] {
    var path = [node]
    while let parent = nodes[path.last!].parent { path.append(parent) }
    return path.reversed()
  }

  func depthFirst() -> [Int] {
    var order: [Int] = []
    var waiting = Array(roots.reversed())
    while let node = waiting.popLast() {
      order.append(node)
      waiting.append(contentsOf: nodes[node].children.reversed())
    }
    return order
  }
}
