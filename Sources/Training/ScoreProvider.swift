import Collectives
import PreferenceData
import RunFolder
import Scoring

/// Gets the frozen model's scores of a set of pairs to the ranks that need them.
///
/// They come from a folder of finished rewards, from the run's own shards when it resumes, or are made by every rank for
/// its own part. They are always those of the reference: never made anew from trained weights.
struct ScoreProvider {
  let communicator: Communicator
  let pairs: PairList
  let identity: ScoreIdentity
  /// Indices of the rows that a run takes; nil: all.
  let wanted: Set<Int>?

  private var own: Range<Int> {
    ScoreShard.range(shard: communicator.rank, of: communicator.size, rowCount: pairs.count)
  }

  /// Collective: scores of this rank's part that are finished in `folder`; nil on all ranks when any rank has to make some.
  ///
  /// - Parameter required: the user named the folder, so that what is missing is an error.
  func finished(in path: String, required: Bool) throws -> [RowScores]? {
    let folder = ScoreFolder(path, identity: identity)
    let rows = try communicator.agree { () -> [RowScores]? in
      if required { return try folder.rows(in: own) }
      if let shard = try folder.finished(shard: communicator.rank, of: communicator.size) { return shard.rows }
      // Shards of a run on another number of ranks serve as well, when they are all here.
      guard FileSystem.kind(of: FileSystem.join(path, "manifest.json")) == .file else { return nil }
      return try folder.rows(in: own)
    }
    var missing: Int64 = rows == nil ? 1 : 0
    try communicator.maximum(&missing)
    return missing == 0 ? rows : nil
  }

  private func maker(in path: String) -> ScoreMaker {
    ScoreMaker(folder: ScoreFolder(path, identity: identity), pairs: pairs, wanted: wanted)
  }

  /// Rows of this rank's part that are to be scored.
  func ownCount(in path: String) -> Int { maker(in: path).count(shard: communicator.rank, of: communicator.size) }

  /// Collective: scores this rank's part and writes it as a shard, or as a draft when a run takes some rows alone.
  func make(
    in path: String, scorer: Scorer, begins: (Int) -> Void, progress: (Int) throws -> Void
  ) throws -> (rows: [RowScores], summary: ScoreMaker.Summary) {
    var made = try communicator.agree {
      try maker(in: path).shard(
        communicator.rank, of: communicator.size, scorer: { scorer }, begins: begins, progress: progress)
    }
    let summary = made.summary
    var sums = [summary.rowCount, summary.keptCount, summary.tokenCount, summary.cutPromptCount].map { Int64($0) }
    try communicator.sum(&sums)
    (made.summary.rowCount, made.summary.keptCount) = (Int(sums[0]), Int(sums[1]))
    (made.summary.tokenCount, made.summary.cutPromptCount) = (Int(sums[2]), Int(sums[3]))
    // All shards are there now, whoever wrote the last one.
    try communicator.agree {
      if communicator.rank == 0 {
        try ScoreFolder(path, identity: identity).writeManifestWhenComplete(shards: communicator.size)
      }
    }
    return (made.shard.rows, made.summary)
  }

  func exchange(_ rows: [RowScores]) -> ScoreExchange {
    ScoreExchange(communicator: communicator, rowCount: pairs.count, rows: rows)
  }
}
