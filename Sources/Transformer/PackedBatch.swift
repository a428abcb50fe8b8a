/// Trees of tokens, one after the other, without padding: what one pass of the model works on.
///
/// Legend: T packed tokens, S scored targets.
package struct PackedBatch: Sendable {
  /// A run of packed tokens and what it attends to.
  package struct Segment: Sendable {
    /// Where the segment's tokens stand in the batch.
    package let tokens: Range<Int>
    /// Runs of packed tokens that come before it on the path from the root, in order; neighbours are merged.
    package let context: [Range<Int>]
    /// Tokens in ``context``.
    package let contextCount: Int
  }

  /// Token ids, T.
  package private(set) var tokens: [Int32] = []
  /// Position of each token in its sequence, T. RoPE turns by these, never by the place in the batch.
  package private(set) var positions: [Int32] = []
  /// Each token's ``TokenTree/Segment/regime``, T; nil while all are 0.
  package private(set) var regimes: [Int]?
  package private(set) var segments: [Segment] = []
  /// Segments of each tree; trees do not see each other.
  package private(set) var treeSegments: [Range<Int>] = []
  /// For each target the packed token that predicts it, S.
  package private(set) var targetRows: [Int32] = []
  /// For each target its id, S.
  package private(set) var targetTokens: [Int32] = []
  private var targetRanges: [[Range<Int>]] = []

  package init(_ trees: [TokenTree]) {
    for tree in trees { append(tree) }
  }

  /// Where the scored tokens of a tree's sequence stand among the batch's targets.
  package func targets(tree: Int, sequence: Int) -> Range<Int> { targetRanges[tree][sequence] }

  package var tokenCount: Int { tokens.count }
  package var targetCount: Int { targetRows.count }
  /// Tokens of the longest path from a root to a leaf.
  package var longestPath: Int { segments.map { $0.contextCount + $0.tokens.count }.max() ?? 0 }

  private mutating func append(_ tree: TokenTree) {
    let firstSegment = segments.count
    for segment in tree.segments {
      var context: [Range<Int>] = []
      if let parent = segment.parent {
        let above = segments[firstSegment + parent]
        context = above.context
        if let last = context.last, last.upperBound == above.tokens.lowerBound {
          context[context.count - 1] = last.lowerBound..<above.tokens.upperBound
        } else {
          context.append(above.tokens)
        }
      }
      segments.append(
        Segment(
          tokens: tokens.count..<tokens.count + segment.tokens.count, context: context, contextCount: segment.position))
      if segment.regime != 0, regimes == nil { regimes = [Int](repeating: 0, count: tokens.count) }
      regimes?.append(contentsOf: repeatElement(segment.regime, count: segment.tokens.count))
      for offset in segment.tokens.indices { positions.append(Int32(segment.position + offset)) }
      tokens += segment.tokens
    }
    treeSegments.append(firstSegment..<segments.count)
    let firstTarget = targetRows.count
    for target in tree.targets {
      targetRows.append(Int32(segments[firstSegment + target.segment].tokens.lowerBound + target.offset))
      targetTokens.append(target.token)
    }
    targetRanges.append(tree.targetRanges.map { $0.lowerBound + firstTarget..<$0.upperBound + firstTarget })
  }
}
