import OrderedJSON
import RunFolder

/// A file with the scores of consecutive rows.
///
///     bytes 0–7    "TREGRWD1"
///     bytes 8–15   length of the header, UInt64 little-endian
///     header       JSON: identity, shard, shards, first and count (of the data's usable rows), rewards, payload_hash
///     payload      for each row: row number Int64, tokens chosen Int32, tokens rejected Int32; then for each row, for
///                  chosen and rejected in turn, the fp32 log-probs: reference and, with rewards, better, worse
///
/// Little-endian. The payload's hash is XXH3-128.
package struct ScoreShard: Sendable {
  package let shard: Int
  package let shards: Int
  package let rows: [RowScores]

  package init(shard: Int, shards: Int, rows: [RowScores]) {
    self.shard = shard
    self.shards = shards
    self.rows = rows
  }

  private static let magic = Array("TREGRWD1".utf8)

  /// The rows of a shard: consecutive ones, as even in number as can be.
  package static func range(shard: Int, of shards: Int, rowCount: Int) -> Range<Int> {
    precondition(shards > 0 && shard >= 0 && shard < shards, "shard \(shard) of \(shards)")
    return shard * rowCount / shards..<(shard + 1) * rowCount / shards
  }

  package static func name(shard: Int, of shards: Int) -> String {
    func digits(_ number: Int) -> String {
      String(repeating: "0", count: max(0, 5 - String(number).count)) + String(number)
    }
    return "shard-\(digits(shard))-of-\(digits(shards)).rewards"
  }

  // MARK: Writing

  package func write(to path: String, identity: ScoreIdentity) throws {
    let payload = self.payload
    let header: JSONValue = [
      "identity": identity.json, "shard": .integer(shard), "shards": .integer(shards),
      "first": .integer(Self.range(shard: shard, of: shards, rowCount: identity.rowCount).lowerBound),
      "count": .integer(rows.count), "rewards": .bool(identity.templateHash != nil),
      "payload_hash": .string(ContentHash.of(payload)),
    ]
    let text = Array(header.text().utf8)
    try AtomicFile.write(to: path) { file in
      try file.write(Self.magic)
      try file.write(valuesOf: [UInt64(text.count).littleEndian])
      try file.write(text)
      try file.write(payload)
    }
  }

  /// Rows as bytes; also the form in which ranks exchange them.
  var payload: [UInt8] { Self.encode(rows) }

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
    }
    return bytes
  }

  // MARK: Reading

  /// The identity that a file says it has, without reading the rest.
  package static func header(of path: String) throws -> JSONValue {
    try parseHeader(FileSystem.readBytes(path), path: path).header
  }

  /// - Throws: bad data (65) when the file is damaged, or its scores were made from something else.
  package init(readingFrom path: String, identity: ScoreIdentity) throws {
    let bytes = try FileSystem.readBytes(path)
    let (header, start) = try Self.parseHeader(bytes, path: path)
    if let reason = header["identity"].map({ identity.mismatch(with: $0) }) ?? "without an identity" {
      throw TregError.badData(at: path, "these scores were \(reason); remove them or use --overwrite")
    }
    let payload = bytes[start...]
    var hash = ContentHash()
    hash.update(payload)
    guard let shard = header["shard"]?.integer, let shards = header["shards"]?.integer, shards > 0,
      (0..<shards).contains(shard), let count = header["count"]?.integer, let rewards = header["rewards"]?.bool,
      count == Self.range(shard: shard, of: shards, rowCount: identity.rowCount).count,
      header["payload_hash"]?.string == hash.hexadecimal,
      let rows = Self.decode(payload, count: count, withRewards: rewards)
    else { throw TregError.badData(at: path, "the file is damaged; remove it, and it is made again") }
    self.init(shard: shard, shards: shards, rows: rows)
  }

  private static func parseHeader(_ bytes: [UInt8], path: String) throws -> (header: JSONValue, payloadStart: Int) {
    guard bytes.count >= 16, bytes[..<8].elementsEqual(magic) else {
      throw TregError.badData(at: path, "not a file of token rewards")
    }
    let length = bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)) }
    guard length <= UInt64(bytes.count - 16), let header = try? JSONValue(parsing: bytes[16..<16 + Int(length)]) else {
      throw TregError.badData(at: path, "the file is damaged; remove it, and it is made again")
    }
    return (header, 16 + Int(length))
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
      }
      return place == bytes.count ? rows : nil
    }
  }
}
