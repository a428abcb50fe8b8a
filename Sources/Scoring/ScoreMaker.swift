import PreferenceData
import RunFolder

/// Scores consecutive rows of the data and keeps them as a shard in a folder.
package struct ScoreMaker {
  /// What a shard's making came to.
  package struct Summary: Sendable {
    package var signal = RewardSignal()
    package var rowCount = 0
    package var tokenCount = 0
    package var cutPromptCount = 0
    /// The shard was there already, finished.
    package var wasFinished = false
  }

  private let folder: ScoreFolder
  private let pairs: PairList

  package init(folder: ScoreFolder, pairs: PairList) {
    self.folder = folder
    self.pairs = pairs
  }

  /// The rows of a shard, as indices into the pairs.
  package func rows(shard: Int, of shards: Int) -> Range<Int> {
    ScoreShard.range(shard: shard, of: shards, rowCount: pairs.count)
  }

  /// Returns the shard when it is finished; otherwise makes and writes it.
  ///
  /// - Parameters:
  ///   - scorer: called once, when there is something to score.
  ///   - records: receives every row with its scores, for people; the shard is made anew when it is given.
  ///   - progress: called after every row with the number of rows done; what it throws ends the work.
  package func shard(
    _ shard: Int, of shards: Int, scorer: () throws -> Scorer,
    records: ((TokenizedPair, RowScores, Scorer) throws -> Void)? = nil, progress: (Int) throws -> Void = { _ in }
  ) throws -> (shard: ScoreShard, summary: Summary) {
    var summary = Summary()
    let finished = try folder.finished(shard: shard, of: shards)
    if let finished, records == nil {
      summary.wasFinished = true
      summary.rowCount = finished.rows.count
      for row in finished.rows { summary.signal.add(row) }
      try folder.writeManifestWhenComplete(shards: shards)
      return (finished, summary)
    }
    let scorer = try scorer()
    var rows: [RowScores] = []
    for index in self.rows(shard: shard, of: shards) {
      let pair = try pairs.pair(at: index)
      let scores = try scorer.score(pair)
      try records?(pair, scores, scorer)
      summary.signal.add(scores)
      rows.append(scores)
      try progress(rows.count)
    }
    summary.rowCount = rows.count
    summary.tokenCount = scorer.tokenCount
    summary.cutPromptCount = scorer.cutPromptCount
    let made = ScoreShard(shard: shard, shards: shards, rows: rows)
    try folder.write(made)
    return (made, summary)
  }
}
