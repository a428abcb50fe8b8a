import PreferenceData
import RunFolder

/// Scores consecutive rows of the data and keeps them as a shard in a folder.
package struct ScoreMaker {
  /// What a shard's making came to.
  package struct Summary: Sendable {
    package var signal = RewardSignal()
    package var rowCount = 0
    /// Of these, rows that an earlier job had scored.
    package var keptCount = 0
    package var tokenCount = 0
    package var cutPromptCount = 0
    /// The shard was there already, finished.
    package var wasFinished = false

    /// How many rows, in words: "12 rows, 4 of them scored before".
    package var rowsText: String { "\(rowCount) rows" + (keptCount == 0 ? "" : ", \(keptCount) of them scored before") }
  }

  private let folder: ScoreFolder
  private let pairs: PairList
  private let wanted: Set<Int>?
  private let draftInterval: Duration

  /// - Parameters:
  ///   - wanted: indices of the rows to score; nil: all. With some alone no shard is written, only a draft.
  ///   - draftInterval: how often, at most, the rows scored so far are kept.
  package init(folder: ScoreFolder, pairs: PairList, wanted: Set<Int>? = nil, draftInterval: Duration = .seconds(30)) {
    self.folder = folder
    self.pairs = pairs
    self.wanted = wanted
    self.draftInterval = draftInterval
  }

  /// The rows of a shard, as indices into the pairs.
  package func rows(shard: Int, of shards: Int) -> Range<Int> {
    ScoreShard.range(shard: shard, of: shards, rowCount: pairs.count)
  }

  /// How many rows of a shard are to be scored.
  package func count(shard: Int, of shards: Int) -> Int {
    let range = rows(shard: shard, of: shards)
    return wanted?.count(where: range.contains) ?? range.count
  }

  /// Returns the shard when it is finished; otherwise makes and writes it. When that fails, or is ended, the rows scored
  /// so far are kept for the next job.
  ///
  /// - Parameters:
  ///   - scorer: called once, when there is something to score.
  ///   - records: receives every row with its scores, for people; the shard is made anew when it is given.
  ///   - begins: called with the number of rows that an earlier job has scored.
  ///   - progress: called for every row with the number of rows done, those included; what it throws ends the work. Rows that
  ///     are scored together are done together.
  package func shard(
    _ shard: Int, of shards: Int, scorer: () throws -> Scorer,
    records: ((TokenizedPair, RowScores, Scorer) throws -> Void)? = nil, begins: (Int) -> Void = { _ in },
    progress: (Int) throws -> Void = { _ in }
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
    let range = self.rows(shard: shard, of: shards)
    let found = folder.kept(in: range)
    let kept = range.reduce(into: [Int: RowScores]()) { kept, index in
      guard wanted?.contains(index) ?? true, let scores = found[pairs.counts(at: index).row] else { return }
      kept[scores.row] = scores
    }
    summary.keptCount = kept.count
    begins(kept.count)
    var rows: [RowScores] = []
    var madeCount = 0
    var draft = Draft(folder: folder, shard: shard, shards: shards, found: found, interval: draftInterval)
    var waiting: [Waiting] = []
    var packed = 0
    func settle() throws {
      var made = try scorer.score(waiting.compactMap(\.prepared)).makeIterator()
      for row in waiting {
        let scores = row.scores ?? made.next()!
        if let pair = row.pair { try records?(pair, scores, scorer) }
        rows.append(scores)
        if row.isWanted { summary.signal.add(scores) }
      }
      let new = waiting.filter(\.isWanted).map { $0.prepared != nil }
      summary.rowCount += new.count
      (waiting, packed) = ([], 0)
      if new.contains(true) { draft.keepNowAndThen(rows) }
      for isNew in new {
        if isNew { madeCount += 1 }
        try progress(kept.count + madeCount)
      }
    }
    do {
      for index in range {
        guard wanted?.contains(index) ?? true else {
          waiting.append(Waiting(scores: .none(row: pairs.counts(at: index).row), isWanted: false))
          if packed == 0 { try settle() }
          continue
        }
        let known = kept[pairs.counts(at: index).row]
        let pair = known == nil || records != nil ? try pairs.pair(at: index) : nil
        if let known {
          waiting.append(Waiting(scores: known, pair: pair))
        } else {
          let prepared = try scorer.prepare(pair!)
          if !scorer.takes(prepared, after: packed) { try settle() }
          packed += prepared.tokenCount
          waiting.append(Waiting(pair: pair, prepared: prepared))
        }
        if packed == 0 { try settle() }
      }
      try settle()
    } catch {
      draft.keep(rows)
      throw error
    }
    summary.tokenCount = scorer.tokenCount
    summary.cutPromptCount = scorer.cutPromptCount
    let made = ScoreShard(shard: shard, shards: shards, rows: rows)
    if wanted == nil {
      try folder.write(made)
      try FileSystem.remove(folder.draft(shard: shard, of: shards))
    } else {
      draft.keep(rows)
    }
    return (made, summary)
  }

  /// A row on its way: known, not wanted, or scored together with its neighbours.
  private struct Waiting {
    var scores: RowScores?
    var pair: TokenizedPair?
    var prepared: Scorer.Prepared?
    var isWanted = true
  }

  /// Keeps what has been scored.
  private struct Draft {
    let folder: ScoreFolder
    let shard: Int
    let shards: Int
    /// What earlier jobs left, which this one may not have come to, or not want.
    let found: [Int: RowScores]
    let interval: Duration
    private var last = ContinuousClock.now
    private var cost = Duration.zero

    init(folder: ScoreFolder, shard: Int, shards: Int, found: [Int: RowScores], interval: Duration) {
      (self.folder, self.shard, self.shards) = (folder, shard, shards)
      (self.found, self.interval) = (found, interval)
    }

    /// Not more often than the interval says, nor for more than a fiftieth of the time.
    mutating func keepNowAndThen(_ rows: [RowScores]) {
      guard ContinuousClock.now - last >= max(interval, cost * 50) else { return }
      let start = ContinuousClock.now
      keep(rows)
      last = .now
      cost = last - start
    }

    /// A disk that takes no draft is no reason to end: the shard's own writing tells, should it still be full.
    func keep(_ rows: [RowScores]) {
      var all = found
      for row in rows where row.tokenCount > 0 { all[row.row] = row }
      try? folder.keep(all.values.sorted { $0.row < $1.row }, shard: shard, of: shards)
    }
  }
}
