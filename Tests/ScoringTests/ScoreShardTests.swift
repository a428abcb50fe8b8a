import Compute
import Foundation
import RunFolder
import Scoring
import Testing

@Suite struct ScoreShardTests {
  static func rows(_ count: Int, withRewards: Bool = true) -> [RowScores] {
    (0..<count).map { row in
      func side(_ tokens: Int) -> ResponseScores {
        let values = (0..<tokens).map { -Float($0 + row) / 7 }
        return ResponseScores(
          reference: values, better: withRewards ? values.map { $0 - 0.5 } : [], worse: withRewards ? values : [])
      }
      return RowScores(row: row * 2, chosen: side(row + 1), rejected: side(3))
    }
  }

  static func identity(
    rows: Int, model: String = "m", data: String = "d", template: ContrastiveTemplate? = .named[0],
    weights: WeightType = .float32, maxLength: Int? = 64
  ) -> ScoreIdentity {
    ScoreIdentity(
      modelHash: model, dataHash: data, rowCount: rows, template: template, weights: weights, maxLength: maxLength,
      maxPromptLength: nil)
  }

  private func inFolder(_ body: (String) throws -> Void) throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "scores-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    try body(path)
  }

  @Test(arguments: [true, false])
  func readsBackWhatItWrote(withRewards: Bool) throws {
    try inFolder { path in
      let identity = Self.identity(rows: 5, template: withRewards ? .named[1] : nil)
      let rows = Self.rows(5, withRewards: withRewards)
      let folder = ScoreFolder(path, identity: identity)
      for shard in 0..<3 {
        let range = ScoreShard.range(shard: shard, of: 3, rowCount: 5)
        try folder.write(ScoreShard(shard: shard, shards: 3, rows: Array(rows[range])))
      }
      #expect(FileSystem.kind(of: path + "/manifest.json") == .file)
      #expect(try folder.rows(in: 0..<5) == rows)
      #expect(try folder.rows(in: 1..<4) == Array(rows[1..<4]))
    }
  }

  @Test func namesTheMissingShard() throws {
    try inFolder { path in
      let folder = ScoreFolder(path, identity: Self.identity(rows: 4))
      try folder.write(ScoreShard(shard: 0, shards: 2, rows: Array(Self.rows(4)[..<2])))
      #expect(FileSystem.kind(of: path + "/manifest.json") == nil)
      #expect {
        _ = try folder.rows(in: 0..<4)
      } throws: { error in
        let error = error as? TregError
        return error?.exitCode == .badData && error!.message.contains("shard-00001-of-00002.rewards is missing")
      }
    }
  }

  @Test(arguments: [
    (identity(rows: 2, model: "other"), "another model"), (identity(rows: 2, data: "other"), "other data"),
    (identity(rows: 2, template: .named[1]), "another contrastive template"),
    (identity(rows: 2, weights: .bfloat16), #"weights: "float32", not "bfloat16""#),
    (identity(rows: 2, maxLength: 32), "max_length 64, not 32"), (identity(rows: 3), "rows: 2, not 3"),
  ])
  func refusesStaleScoresWithTheReason(wanted: ScoreIdentity, reason: String) throws {
    try inFolder { path in
      try ScoreFolder(path, identity: Self.identity(rows: 2)).write(
        ScoreShard(shard: 0, shards: 1, rows: Self.rows(2)))
      #expect {
        _ = try ScoreFolder(path, identity: wanted).finished(shard: 0, of: 1)
      } throws: { error in
        let error = error as? TregError
        return error?.exitCode == .badData && error!.message.contains(reason)
      }
    }
  }

  @Test func scoresWithRewardsServeWhereOnlyTheReferenceIsAsked() throws {
    try inFolder { path in
      try ScoreFolder(path, identity: Self.identity(rows: 2)).write(
        ScoreShard(shard: 0, shards: 1, rows: Self.rows(2)))
      let plain = ScoreFolder(path, identity: Self.identity(rows: 2, template: nil))
      #expect(try plain.rows(in: 0..<2).map(\.chosen.reference) == Self.rows(2).map(\.chosen.reference))
      let rewarded = ScoreFolder(path + "/plain", identity: Self.identity(rows: 2))
      try ScoreFolder(path + "/plain", identity: Self.identity(rows: 2, template: nil)).write(
        ScoreShard(shard: 0, shards: 1, rows: Self.rows(2, withRewards: false)))
      #expect(throws: TregError.self) { _ = try rewarded.finished(shard: 0, of: 1) }
    }
  }

  @Test func everyDamagedByteIsNoticed() throws {
    try inFolder { path in
      let identity = Self.identity(rows: 3)
      let file = path + "/" + ScoreShard.name(shard: 0, of: 1)
      try ScoreShard(shard: 0, shards: 1, rows: Self.rows(3)).write(to: file, identity: identity)
      let whole = try FileSystem.readBytes(file)
      let read = try ScoreShard(readingFrom: file, identity: identity).rows
      for position in whole.indices {
        var damaged = whole
        damaged[position] ^= 0x10
        try AtomicFile.write(damaged, to: file)
        // A blank in the header may turn into a character that JSON ignores; what is read is right all the same.
        if let rows = try? ScoreShard(readingFrom: file, identity: identity).rows { #expect(rows == read) }
      }
      for count in stride(from: 0, to: whole.count, by: 7) {
        try AtomicFile.write(Array(whole[..<count]), to: file)
        #expect(throws: TregError.self) { _ = try ScoreShard(readingFrom: file, identity: identity) }
      }
    }
  }

  /// Drafts serve jobs that divide the rows in another way; what is of other scores, or damaged, serves nobody.
  @Test func draftsAreFoundByWhoeverNeedsTheirRows() throws {
    try inFolder { path in
      let rows = Self.rows(6)
      let folder = ScoreFolder(path, identity: Self.identity(rows: 6))
      try folder.keep([rows[0], rows[1]], shard: 0, of: 2)
      try folder.keep([rows[5]], shard: 1, of: 2)
      #expect(folder.kept(in: 0..<6) == [0: rows[0], 2: rows[1], 10: rows[5]])
      #expect(folder.kept(in: 0..<2) == [0: rows[0], 2: rows[1]], "the other draft holds none of these")
      #expect(ScoreFolder(path, identity: Self.identity(rows: 6, model: "other")).kept(in: 0..<6).isEmpty)
      try folder.write(ScoreShard(shard: 1, shards: 3, rows: Array(rows[2..<4])))
      #expect(folder.kept(in: 0..<6).count == 5, "a shard of another set serves as well")
      let draft = folder.draft(shard: 1, of: 2)
      var bytes = try FileSystem.readBytes(draft)
      bytes[bytes.count - 1] ^= 1
      try AtomicFile.write(bytes, to: draft)
      #expect(folder.kept(in: 0..<6).keys.sorted() == [0, 2, 4, 6])
      // A set of another size is refused for the sake of shards, not of drafts.
      #expect(throws: TregError.self) { try folder.prepare(shards: 2, replacing: false) }
      try folder.remove(shard: 1, of: 3)
      try folder.prepare(shards: 5, replacing: false)
      for shard in 0..<3 {
        try folder.write(ScoreShard(shard: shard, shards: 3, rows: Array(rows[2 * shard..<2 * shard + 2])))
      }
      #expect(
        try FileSystem.contents(ofFolder: path).sorted() == ["manifest.json"]
          + (0..<3).map { ScoreShard.name(shard: $0, of: 3) }, "a whole set needs no drafts")
    }
  }

  @Test(arguments: [(10, 4), (3, 8), (1, 1), (0, 3), (795, 7)])
  func shardsCoverTheRowsEvenly(rows: Int, shards: Int) {
    let ranges = (0..<shards).map { ScoreShard.range(shard: $0, of: shards, rowCount: rows) }
    #expect(ranges.flatMap { Array($0) } == Array(0..<rows))
    #expect(ranges.map(\.count).max()! - ranges.map(\.count).min()! <= 1)
  }
}
