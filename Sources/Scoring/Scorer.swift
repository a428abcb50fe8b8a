import PreferenceData
import RunFolder
import Transformer

/// Scores rows with the frozen model: reference log-probs and, for token rewards, the log-probs of the same response
/// tokens after the better and the worse prompt, all in one pass.
///
/// A row is one tree, packed alone: prompt, both responses, and the contrastive prompts up to where they differ. With the
/// template `turn` the reference pass is the trunk of that tree. Alone in its pack a row gives the same bits in any
/// shard and on any rank.
package final class Scorer {
  private let model: Transformer
  private let prompter: ContrastivePrompter?
  private let rewardModel: Transformer?
  /// Responses whose contrastive prompt had to be cut.
  package private(set) var cutPromptCount = 0
  /// Tokens that went through the model.
  package private(set) var tokenCount = 0

  /// - Parameters:
  ///   - prompter: nil makes no rewards by prompts.
  ///   - rewardModel: gives rewards in place of prompts, by its log-probs against the reference's.
  package init(model: Transformer, prompter: ContrastivePrompter?, rewardModel: Transformer? = nil) {
    precondition(prompter == nil || rewardModel == nil, "rewards have one source")
    self.model = model
    self.prompter = prompter
    self.rewardModel = rewardModel
  }

  /// The contrastive prompts of a pair's responses; nil when there are no token rewards to make.
  package func prompts(of pair: TokenizedPair) throws
    -> (chosen: ContrastivePrompter.Prompts, rejected: ContrastivePrompter.Prompts)?
  {
    guard let prompter else { return nil }
    do {
      return (
        try prompter.prompts(
          prompt: pair.source.prompt, response: pair.source.chosen, responseCount: pair.chosen.scoredCount,
          variables: pair.source.templateVariables),
        try prompter.prompts(
          prompt: pair.source.prompt, response: pair.source.rejected, responseCount: pair.rejected.scoredCount,
          variables: pair.source.templateVariables)
      )
    } catch let error as TregError {
      throw TregError(error.exitCode, at: pair.source.place, error.description)
    }
  }

  /// Scores one pair.
  ///
  /// - Throws: bad data (65) at the row's place; 79 when a log-prob is not finite.
  package func score(_ pair: TokenizedPair) throws -> RowScores {
    var sequences = [pair.chosenSequence, pair.rejectedSequence]
    if let prompts = try prompts(of: pair) {
      for (side, response) in [(prompts.chosen, pair.chosen), (prompts.rejected, pair.rejected)] {
        sequences.append(ScoredSequence(prompt: side.better, response: response.scored))
        sequences.append(ScoredSequence(prompt: side.worse, response: response.scored))
        if side.isCut { cutPromptCount += 1 }
      }
    }
    let first = try logProbs(of: sequences, by: model, at: pair)
    guard let rewardModel else {
      func values(_ sequence: Int) -> [Float] { sequence < sequences.count ? first[sequence] : [] }
      return RowScores(
        row: pair.row, chosen: ResponseScores(reference: values(0), better: values(2), worse: values(3)),
        rejected: ResponseScores(reference: values(1), better: values(4), worse: values(5)))
    }
    let second = try logProbs(of: sequences, by: rewardModel, at: pair)
    return RowScores(
      row: pair.row, chosen: ResponseScores(reference: first[0], better: second[0], worse: first[0]),
      rejected: ResponseScores(reference: first[1], better: second[1], worse: first[1]))
  }

  /// log π of each sequence's scored tokens.
  private func logProbs(
    of sequences: [ScoredSequence], by model: Transformer, at pair: TokenizedPair
  ) throws -> [[Float]] {
    let batch = PackedBatch([Transformer.tree(sequences, for: model.description)])
    tokenCount += batch.tokenCount
    let logProbs = model.forward(batch)
    guard logProbs.allSatisfy(\.isFinite) else {
      throw TregError(
        .nonFinite, at: pair.source.place, "the model gives a log-probability that is not a finite number")
    }
    return sequences.indices.map { Array(logProbs[batch.targets(tree: 0, sequence: $0)]) }
  }
}

extension ScoredSequence {
  /// A response scored after a prompt.
  package init(prompt: [Int32], response: some Collection<Int32>) {
    self.init(tokens: prompt + response, scored: prompt.count..<prompt.count + response.count)
  }
}

extension TokenizedPair {
  /// The conversation with the chosen response, as training and scoring see it.
  package var chosenSequence: ScoredSequence { sequence(chosen) }
  package var rejectedSequence: ScoredSequence { sequence(rejected) }

  private func sequence(_ response: Response) -> ScoredSequence {
    let count = prompt.count + response.tokens.count
    return ScoredSequence(tokens: prompt + response.tokens, scored: prompt.count + response.scoredFrom..<count)
  }
}
