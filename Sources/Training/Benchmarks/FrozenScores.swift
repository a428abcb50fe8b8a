import Collectives
import PreferenceData
import Scoring
import Transformer

extension TrainingSetup {
  /// Collective: what the frozen model says of `pairs`, every rank scoring its part, nothing kept on disk.
  ///
  /// - Parameters:
  ///   - pairs: the same on all ranks.
  ///   - model: holds the reference's weights.
  /// - Returns: for each group of `consumers` of this rank (indices into `pairs`) the scores in that order; empty lists
  ///   when the objective needs nothing of the frozen model.
  func frozenScores(
    of pairs: PairList, model: Transformer, consumers: [[Int]]
  ) throws -> [Int: RowScores] {
    guard !objective.needs.scores.isEmpty else { return [:] }
    let scorer = try communicator.agree {
      try Scorer(model: model, rewards: rewardSource, tokenizer: pairTokenizer, microBatchTokens: microBatchTokens)
    }
    let own = ScoreShard.range(shard: communicator.rank, of: communicator.size, rowCount: pairs.count)
    let rows = try communicator.agree { try scorer.score(own, of: pairs) }
    return try ScoreExchange(communicator: communicator, rowCount: pairs.count, rows: rows).scores(for: consumers)
  }
}
