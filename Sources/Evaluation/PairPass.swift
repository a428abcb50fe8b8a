import ModelDescription
import PreferenceData
import Scoring
import Transformer

extension PackedBatch {
  /// A tree per pair: the shared prompt, then the chosen (sequence 0) and the rejected response (sequence 1).
  package init(pairs: [TokenizedPair], for model: ModelDescription) {
    self.init(pairs.map { Transformer.tree([$0.chosenSequence, $0.rejectedSequence], for: model) })
  }
}

extension Division {
  /// Consecutive micro-batches of at most `maxTokens` packed tokens, as indices into `pairs`.
  package static func microBatches(of pairs: PairList, maxTokens: Int) -> [[Int]] {
    microBatches(Array(pairs.indices), costs: pairs.costs, maxTokens: maxTokens)
  }
}

extension Transformer {
  /// log π of the scored tokens of pairs, in micro-batches and without a backward pass.
  ///
  /// - Parameter body: called in order with a pair and the log-probs of its chosen and its rejected response.
  /// - Throws: 74 when pairs cannot be read any more; what `body` throws.
  package func forEachPair(
    of pairs: PairList, microBatchTokens: Int,
    _ body: (_ pair: TokenizedPair, _ chosen: ArraySlice<Float>, _ rejected: ArraySlice<Float>) throws -> Void
  ) throws {
    for batch in Division.microBatches(of: pairs, maxTokens: microBatchTokens) {
      let batch = try pairs.pairs(at: batch)
      let packed = PackedBatch(pairs: batch, for: description)
      let logProbs = forward(packed)
      for (tree, pair) in batch.enumerated() {
        try body(
          pair, logProbs[packed.targets(tree: tree, sequence: 0)], logProbs[packed.targets(tree: tree, sequence: 1)])
      }
    }
  }
}

extension TokenizedPair {
  /// Tokens of both conversations, the prompt counted in each, as trainers that do not share prompts count them.
  package var conversationTokens: Int { counts.conversationTokens }
}
