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

  /// Collective: scores this rank's part and writes it as a shard.
  func make(
    in path: String, scorer: Scorer, progress: (Int) throws -> Void
  ) throws -> (rows: [RowScores], summary: ScoreMaker.Summary) {
    var made = try communicator.agree {
      let folder = ScoreFolder(path, identity: identity)
      return try ScoreMaker(folder: folder, pairs: pairs).shard(
        communicator.rank, of: communicator.size, scorer: { scorer }, progress: progress)
    }
    var sums = [Int64(made.summary.rowCount), Int64(made.summary.tokenCount), Int64(made.summary.cutPromptCount)]
    try communicator.sum(&sums)
    made.summary.rowCount = Int(sums[0])
    made.summary.tokenCount = Int(sums[1])
    made.summary.cutPromptCount = Int(sums[2])
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
