import Testing
import Transformer

@Suite struct TokenTreeTests {
  @Test func sharesThePromptOnce() {
    let tree = TokenTree([
      ScoredSequence(tokens: [1, 2, 3, 4], scored: 2..<4), ScoredSequence(tokens: [1, 2, 5], scored: 2..<3),
    ])
    #expect(tree.segments.map { tree.tokens[$0.tokens] } == [[1, 2], [3, 4], [5]])
    #expect(tree.segments.map(\.parent) == [nil, 0, 0])
    #expect(tree.tokenCount == 5)
    #expect(tree.targets.map(\.segment) == [0, 1, 0])
    #expect(tree.targets.map(\.offset) == [1, 0, 1])
    #expect(tree.targetRanges == [0..<2, 2..<3])
  }

  @Test func splitsWhereLaterSequencesPart() {
    // The second and third sequences split the first one's node after it was made.
    let sequences = [
      ScoredSequence(tokens: [7, 8, 9, 1, 1], scored: 1..<5), ScoredSequence(tokens: [7, 8, 9, 2], scored: 3..<4),
      ScoredSequence(tokens: [7, 3], scored: 1..<2), ScoredSequence(tokens: [7, 8], scored: 1..<2),
      ScoredSequence(tokens: [7, 8, 9, 1, 1], scored: 4..<5),
    ]
    let tree = TokenTree(sequences)
    #expect(tree.segments.map { tree.tokens[$0.tokens] } == [[7], [8], [9], [1, 1], [2], [3]])
    #expect(tree.segments.map(\.position) == [0, 1, 2, 3, 3, 1])
    #expect(tree.tokenCount == 7)
    for (sequence, range) in zip(sequences, tree.targetRanges) {
      for (index, target) in zip(sequence.scored, tree.targets[range]) {
        #expect(target.token == sequence.tokens[index])
        let segment = tree.segments[target.segment]
        #expect(segment.position + target.offset == index - 1)
        #expect(tree.tokens[segment.tokens.lowerBound + target.offset] == sequence.tokens[index - 1])
      }
    }
  }

  @Test func packsWithPositionsAndMergedRuns() {
    let turn = TokenTree([
      ScoredSequence(tokens: [1, 2, 3, 4, 5], scored: 2..<4), ScoredSequence(tokens: [1, 2, 6, 7], scored: 2..<4),
    ])
    let batch = PackedBatch([turn, TokenTree([ScoredSequence(tokens: [9, 9], scored: 1..<2)])])
    #expect(batch.tokens == [1, 2, 3, 4, 5, 6, 7, 9, 9])
    #expect(batch.positions == [0, 1, 2, 3, 4, 2, 3, 0, 1])
    #expect(batch.contextRuns[batch.segments[1].context] == [0..<2])
    #expect(batch.contextRuns[batch.segments[2].context] == [0..<2])
    #expect(batch.segments[2].contextCount == 2)
    #expect(batch.treeSegments == [0..<3, 3..<4])
    #expect(batch.targets(tree: 1, sequence: 0) == 4..<5)
    #expect(batch.targetRows == [1, 2, 1, 5, 7])
    #expect(batch.longestPath == 5)
  }

  @Test func refusesToScoreAFirstToken() async {
    await #expect(processExitsWith: .failure) { _ = ScoredSequence(tokens: [1, 2], scored: 0..<1) }
  }
}
