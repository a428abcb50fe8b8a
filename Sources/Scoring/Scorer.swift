import PreferenceData
import RunFolder
import Transformer

/// Scores rows with the frozen model: reference log-probs and, for token rewards, the log-probs of the same response
/// tokens after the better and the worse prompt, all in one pass.
///
/// A row is one tree: prompt, both responses, and the contrastive prompts up to where they differ. With the template `turn`
/// the reference pass is the trunk of that tree. Trees do not see each other, so rows are packed where products give a row
/// of a matrix the same bits beside any others (``Transformer/packsAreIndependent``), and stand alone elsewhere: either way
/// a row gives the same bits in any shard and on any rank.
package final class Scorer {
  private let model: Transformer
  private let prompter: ContrastivePrompter?
  private let rewardModel: Transformer?
  private let packTokens: Int
  /// Responses whose contrastive prompt had to be cut.
  package private(set) var cutPromptCount = 0
  /// Tokens that went through the model.
  package private(set) var tokenCount = 0

  /// - Parameters:
  ///   - prompter: nil makes no rewards by prompts.
  ///   - rewardModel: gives rewards in place of prompts, by its log-probs against the reference's.
  ///   - microBatchTokens: tokens that training computes at once; without a backward pass twice as many take less room. With 0
  ///     every row is alone.
  package init(
    model: Transformer, prompter: ContrastivePrompter?, rewardModel: Transformer? = nil, microBatchTokens: Int = 0
  ) {
    precondition(prompter == nil || rewardModel == nil, "rewards have one source")
    // Beside a second model there is less room.
    packTokens = rewardModel == nil ? 2 * microBatchTokens : microBatchTokens
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

  /// A pair, ready to be scored.
  package struct Prepared {
    package let pair: TokenizedPair
    /// Reference log-probs of both responses; where prompts make rewards, after the better and the worse one of each, too.
    fileprivate let sequences: [ScoredSequence]
    fileprivate let tree: TokenTree
    package var tokenCount: Int { tree.tokenCount }
  }

  /// - Throws: bad data (65) at the row's place.
  package func prepare(_ pair: TokenizedPair) throws -> Prepared {
    var sequences = [pair.chosenSequence, pair.rejectedSequence]
    if let prompts = try prompts(of: pair) {
      for (side, response) in [(prompts.chosen, pair.chosen), (prompts.rejected, pair.rejected)] {
        sequences.append(ScoredSequence(prompt: side.better, response: response.scored))
        sequences.append(ScoredSequence(prompt: side.worse, response: response.scored))
        if side.isCut { cutPromptCount += 1 }
      }
    }
    return Prepared(pair: pair, sequences: sequences, tree: Transformer.tree(sequences, for: model.description))
  }

  /// Whether a row may join others that have `packed` tokens.
  package func takes(_ row: Prepared, after packed: Int) -> Bool {
    packed == 0 || (Transformer.packsAreIndependent && packed + row.tokenCount <= packTokens)
  }

  /// Scores rows in one pass; as many as ``takes(_:after:)`` lets together.
  ///
  /// - Throws: 79 at the place of a row with a log-prob that is not finite.
  package func score(_ rows: [Prepared]) throws -> [RowScores] {
    guard !rows.isEmpty else { return [] }
    let first = try logProbs(of: rows, trees: rows.map(\.tree), by: model)
    let second = try rewardModel.map { other in
      try logProbs(of: rows, trees: rows.map { Transformer.tree($0.sequences, for: other.description) }, by: other)
    }
    return rows.indices.map { row in
      let (own, pair) = (first[row], rows[row].pair)
      if let second {
        return RowScores(
          row: pair.row, chosen: ResponseScores(reference: own[0], better: second[row][0], worse: own[0]),
          rejected: ResponseScores(reference: own[1], better: second[row][1], worse: own[1]))
      }
      func values(_ sequence: Int) -> [Float] { sequence < own.count ? own[sequence] : [] }
      return RowScores(
        row: pair.row, chosen: ResponseScores(reference: values(0), better: values(2), worse: values(3)),
        rejected: ResponseScores(reference: values(1), better: values(4), worse: values(5)))
    }
  }

  /// Scores one pair.
  ///
  /// - Throws: bad data (65) at the row's place; 79 when a log-prob is not finite.
  package func score(_ pair: TokenizedPair) throws -> RowScores { try score([prepare(pair)])[0] }

  /// Scores pairs in order.
  package func score(_ indices: Range<Int>, of pairs: PairList) throws -> [RowScores] {
    var (made, waiting, packed): ([RowScores], [Prepared], Int) = ([], [], 0)
    for index in indices {
      let row = try prepare(pairs.pair(at: index))
      if !takes(row, after: packed) {
        made += try score(waiting)
        (waiting, packed) = ([], 0)
      }
      waiting.append(row)
      packed += row.tokenCount
    }
    return try made + score(waiting)
  }

  /// For each row and each of its sequences, log π of the scored tokens.
  private func logProbs(of rows: [Prepared], trees: [TokenTree], by model: Transformer) throws -> [[[Float]]] {
    let batch = PackedBatch(trees)
    tokenCount += batch.tokenCount
    let logProbs = model.forward(batch)
    return try rows.enumerated().map { tree, row in
      try row.sequences.indices.map { sequence in
        let own = logProbs[batch.targets(tree: tree, sequence: sequence)]
        guard own.allSatisfy(\.isFinite) else {
          throw TregError(
            .nonFinite, at: row.pair.source.place, "the model gives a log-probability that is not a finite number")
        }
        return Array(own)
      }
    }
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
