/// Trees of tokens, one after the other, without padding: what one pass of the model works on.
///
/// Legend: T packed tokens, S scored targets.
package struct PackedBatch: Sendable {
  /// A run of packed tokens and what it attends to.
  package struct Segment: Sendable {
    /// Where the segment's tokens stand in the batch.
    package let tokens: Range<Int>
    /// Where the runs of packed tokens that come before it on the path from the root stand in ``PackedBatch/contextRuns``,
    /// in order; neighbours are merged.
    package let context: Range<Int>
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
  /// The runs that segments attend to, one segment's after the other's.
  package private(set) var contextRuns: [Range<Int>] = []
  /// Segments of each tree; trees do not see each other.
  package private(set) var treeSegments: [Range<Int>] = []
  /// For each target the packed token that predicts it, S.
  package private(set) var targetRows: [Int32] = []
  /// For each target its id, S.
  package private(set) var targetTokens: [Int32] = []
  /// Where each tree's sequences begin in ``targetRanges``.
  private var firstSequences: [Int] = []
  private var targetRanges: [Range<Int>] = []

  package init(_ trees: [TokenTree]) {
    let tokenCount = trees.reduce(0) { $0 + $1.tokenCount }
    let targetCount = trees.reduce(0) { $0 + $1.targets.count }
    let segmentCount = trees.reduce(0) { $0 + $1.segments.count }
    tokens.reserveCapacity(tokenCount)
    positions.reserveCapacity(tokenCount)
    targetRows.reserveCapacity(targetCount)
    targetTokens.reserveCapacity(targetCount)
    segments.reserveCapacity(segmentCount)
    // Few segments have more than one.
    contextRuns.reserveCapacity(2 * segmentCount)
    treeSegments.reserveCapacity(trees.count)
    firstSequences.reserveCapacity(trees.count)
    targetRanges.reserveCapacity(trees.reduce(0) { $0 + $1.targetRanges.count })
    for tree in trees { append(tree) }
  }

  /// Where the scored tokens of a tree's sequence stand among the batch's targets.
  package func targets(tree: Int, sequence: Int) -> Range<Int> { targetRanges[firstSequences[tree] + sequence] }

  package var tokenCount: Int { tokens.count }
  package var targetCount: Int { targetRows.count }
  /// Tokens of the longest path from a root to a leaf.
  package var longestPath: Int { segments.reduce(0) { max($0, $1.contextCount + $1.tokens.count) } }

  private mutating func append(_ tree: TokenTree) {
    let (firstSegment, firstToken, firstTarget) = (segments.count, tokens.count, targetRows.count)
    for segment in tree.segments {
      let firstRun = contextRuns.count
      if let parent = segment.parent {
        let above = segments[firstSegment + parent]
        for run in above.context { contextRuns.append(contextRuns[run]) }
        if contextRuns.count > firstRun, contextRuns.last!.upperBound == above.tokens.lowerBound {
          contextRuns[contextRuns.count - 1] = contextRuns.last!.lowerBound..<above.tokens.upperBound
        } else {
          contextRuns.append(above.tokens)
        }
      }
      segments.append(
        Segment(
          tokens: firstToken + segment.tokens.lowerBound..<firstToken + segment.tokens.upperBound,
          context: firstRun..<contextRuns.count, contextCount: segment.position))
      if segment.regime != 0, regimes == nil { regimes = [Int](repeating: 0, count: positions.count) }
      regimes?.append(contentsOf: repeatElement(segment.regime, count: segment.tokens.count))
      for offset in 0..<segment.tokens.count { positions.append(Int32(segment.position + offset)) }
    }
    tokens += tree.tokens
    treeSegments.append(firstSegment..<segments.count)
    for target in tree.targets {
      targetRows.append(Int32(segments[firstSegment + target.segment].tokens.lowerBound + target.offset))
      targetTokens.append(target.token)
    }
    firstSequences.append(targetRanges.count)
    for range in tree.targetRanges {
      targetRanges.append(range.lowerBound + firstTarget..<range.upperBound + firstTarget)
    }
  }
}
