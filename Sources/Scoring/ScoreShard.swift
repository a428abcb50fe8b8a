import OrderedJSON
import RunFolder

/// A file with the scores of consecutive rows, a ``HeadedFile``.
///
///     header     identity, shard, shards, count (rows), rewards (whether better and worse are there)
///     payload    for each row: row number Int64, tokens chosen Int32, tokens rejected Int32; then for each row, for
///                chosen and rejected in turn, the fp32 log-probs: reference and, with rewards, better, worse
///
/// Little-endian.
package struct ScoreShard: Sendable {
  package let shard: Int
  package let shards: Int
  package let rows: [RowScores]

  package init(shard: Int, shards: Int, rows: [RowScores]) {
    self.shard = shard
    self.shards = shards
    self.rows = rows
  }

  private static let format = "TREGRWD1"

  /// The rows of a shard: consecutive ones, as even in number as can be.
  package static func range(shard: Int, of shards: Int, rowCount: Int) -> Range<Int> {
    precondition(shards > 0 && shard >= 0 && shard < shards, "shard \(shard) of \(shards)")
    return shard * rowCount / shards..<(shard + 1) * rowCount / shards
  }

  package static func name(shard: Int, of shards: Int) -> String {
    "shard-\(FileNumber.text(shard, of: shards)).rewards"
  }

  // MARK: Writing

  package func write(to path: String, identity: ScoreIdentity) throws {
    let header: JSONValue = [
      "identity": identity.json, "shard": .integer(shard), "shards": .integer(shards), "count": .integer(rows.count),
      "rewards": .bool(identity.hasRewards),
    ]
    _ = try Self.encode(rows).withUnsafeBytes { payload in
      try HeadedFile.write(to: path, format: Self.format, header: header, payload: [payload])
    }
  }

  /// Rows as bytes; also the form in which ranks exchange them.
  static func encode(_ rows: [RowScores]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(rows.reduce(0) { $0 + 16 + 12 * $1.tokenCount })
    func append<Value: BitwiseCopyable>(_ values: [Value]) { values.withUnsafeBytes { bytes.append(contentsOf: $0) } }
    for row in rows {
      append([Int64(row.row)])
      append([Int32(row.chosen.count), Int32(row.rejected.count)])
    }
    for row in rows {
      for side in [row.chosen, row.rejected] {
        append(side.reference)
        append(side.better)
        append(side.worse)
      }
      Pulse.beat()
    }
    return bytes
  }

  // MARK: Reading

  /// What a file says of itself; its rows are not checked.
  package static func header(of path: String) throws -> JSONValue {
    try HeadedFile.header(of: path, format: format)
  }

  /// - Throws: bad data (65) when the file is damaged, or its scores were made from something else.
  package init(readingFrom path: String, identity: ScoreIdentity) throws {
    let file = try HeadedFile(readingFrom: path, format: Self.format)
    if let reason = identity.mismatch(with: file.header["identity"] ?? nil) {
      throw Self.isStale(path, reason)
    }
    guard let shard = file.header["shard"]?.integer, let shards = file.header["shards"]?.integer, shards > 0,
      (0..<shards).contains(shard), let count = file.header["count"]?.integer,
      let rewards = file.header["rewards"]?.bool,
      count == Self.range(shard: shard, of: shards, rowCount: identity.rowCount).count,
      let rows = Self.decode(file.payload, count: count, withRewards: rewards)
    else { throw HeadedFile.damaged(path) }
    self.init(shard: shard, shards: shards, rows: rows)
  }

  static func isStale(_ path: String, _ reason: String) -> TregError {
    .badData(at: path, "these scores were \(reason); remove them or use --overwrite")
  }

  /// The inverse of ``encode(_:)``; nil when the bytes are not exactly `count` rows.
  static func decode(_ bytes: ArraySlice<UInt8>, count: Int, withRewards: Bool) -> [RowScores]? {
    bytes.withUnsafeBytes { bytes in
      guard count >= 0, bytes.count >= count * 16 else { return nil }
      var place = count * 16
      func floats(_ count: Int) -> [Float]? {
        guard count >= 0, bytes.count - place >= 4 * count else { return nil }
        defer { place += 4 * count }
        return (0..<count).map { bytes.loadUnaligned(fromByteOffset: place + 4 * $0, as: Float.self) }
      }
      var rows: [RowScores] = []
      rows.reserveCapacity(count)
      for index in 0..<count {
        let row = bytes.loadUnaligned(fromByteOffset: 16 * index, as: Int64.self)
        var sides: [ResponseScores] = []
        for side in 0..<2 {
          let tokens = Int(bytes.loadUnaligned(fromByteOffset: 16 * index + 8 + 4 * side, as: Int32.self))
          guard let reference = floats(tokens), let better = floats(withRewards ? tokens : 0),
            let worse = floats(withRewards ? tokens : 0)
          else { return nil }
          sides.append(ResponseScores(reference: reference, better: better, worse: worse))
        }
        rows.append(RowScores(row: Int(row), chosen: sides[0], rejected: sides[1]))
        Pulse.beat()
      }
      return place == bytes.count ? rows : nil
    }
  }
}
