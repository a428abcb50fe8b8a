import OrderedJSON
import RunFolder

/// Rows that a job has scored before its shard is whole, kept for whoever goes on with the work: hours of the frozen
/// model's time do not go with a process that is killed.
///
///     header     identity, count (rows), rewards (whether better and worse are there)
///     payload    as a ``ScoreShard``'s, any rows of the data
///
/// Scores of a row have the same bits in any shard and on any rank, so drafts serve jobs that divide the rows in another way.
enum ScoreDraft {
  private static let format = "TREGRWP1"

  static func write(_ rows: [RowScores], to path: String, identity: ScoreIdentity) throws {
    let header: JSONValue = [
      "identity": identity.json, "count": .integer(rows.count), "rewards": .bool(identity.hasRewards),
    ]
    try ScoreShard.encode(rows).withUnsafeBytes { payload in
      _ = try HeadedFile.write(to: path, format: format, header: header, payload: [payload])
    }
  }

  /// The rows of a draft; nil when it is damaged or of other scores.
  static func rows(of path: String, identity: ScoreIdentity) -> [RowScores]? {
    guard let file = try? HeadedFile(readingFrom: path, format: format),
      identity.mismatch(with: file.header["identity"] ?? nil) == nil, let count = file.header["count"]?.integer,
      let rewards = file.header["rewards"]?.bool
    else { return nil }
    return ScoreShard.decode(file.payload, count: count, withRewards: rewards)
  }
}

extension ScoreFolder {
  package func draft(shard: Int, of shards: Int) -> String {
    FileSystem.join(path, ScoreShard.name(shard: shard, of: shards).split(separator: ".")[0] + ".part")
  }

  /// Keeps rows of a shard that is not whole yet, in place of those kept before.
  package func keep(_ rows: [RowScores], shard: Int, of shards: Int) throws {
    try FileSystem.createFolder(path)
    try ScoreDraft.write(rows, to: draft(shard: shard, of: shards), identity: identity)
  }

  /// What earlier jobs, divided in whatever way, left of some rows; by the row's number in the data.
  ///
  /// What cannot be used is passed over: its rows are scored again.
  ///
  /// - Parameter range: indices into the data's usable rows.
  package func kept(in range: Range<Int>) -> [Int: RowScores] {
    var found: [Int: RowScores] = [:]
    for file in (try? shardFiles()) ?? [] where file.isShard || file.isDraft {
      let held = ScoreShard.range(shard: file.shard, of: file.shards, rowCount: identity.rowCount)
      guard held.overlaps(range) else { continue }
      let place = FileSystem.join(path, file.name)
      let rows =
        file.isDraft
        ? ScoreDraft.rows(of: place, identity: identity)
        : (try? ScoreShard(readingFrom: place, identity: identity))?.rows
      for row in rows ?? [] { found[row.row] = row }
    }
    return found
  }
}
