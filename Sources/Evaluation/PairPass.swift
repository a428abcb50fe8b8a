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
  /// - Parameter body: called in order with a pair's index and the log-probs of its chosen and its rejected response.
  package func forEachPair(
    of pairs: PairList, microBatchTokens: Int,
    _ body: (_ index: Int, _ chosen: ArraySlice<Float>, _ rejected: ArraySlice<Float>) throws -> Void
  ) rethrows {
    for batch in Division.microBatches(of: pairs, maxTokens: microBatchTokens) {
      let packed = PackedBatch(pairs: batch.map { pairs[$0] }, for: description)
      let logProbs = forward(packed)
      for (tree, index) in batch.enumerated() {
        try body(
          index, logProbs[packed.targets(tree: tree, sequence: 0)], logProbs[packed.targets(tree: tree, sequence: 1)])
      }
    }
  }
}

extension TokenizedPair {
  /// Tokens of both conversations, the prompt counted in each, as trainers that do not share prompts count them.
  package var conversationTokens: Int { tokenCount + prompt.count }
}
