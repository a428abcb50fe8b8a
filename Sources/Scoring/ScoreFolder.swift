import OrderedJSON
import RunFolder

/// A folder of score shards, all of one identity, that together hold every usable row of the data.
///
///     shard-00003-of-00008.rewards      see ``ScoreShard``
///     shard-00003-of-00008.jsonl        the same for people, on request
///     shard-00003-of-00008.part         rows of a shard under way, see ``ScoreDraft``
///     manifest.json                     written when all shards are there
package struct ScoreFolder: Sendable {
  package let path: String
  package let identity: ScoreIdentity

  private static let manifestName = "manifest.json"

  package init(_ path: String, identity: ScoreIdentity) {
    self.path = path
    self.identity = identity
  }

  package func file(shard: Int, of shards: Int) -> String {
    FileSystem.join(path, ScoreShard.name(shard: shard, of: shards))
  }

  /// The shard for people.
  package func records(shard: Int, of shards: Int) -> String {
    FileSystem.join(path, ScoreShard.name(shard: shard, of: shards).split(separator: ".")[0] + ".jsonl")
  }

  /// The finished shard, or nil when it is not there.
  ///
  /// - Throws: bad data (65) when it is stale or damaged.
  package func finished(shard: Int, of shards: Int) throws -> ScoreShard? {
    let file = file(shard: shard, of: shards)
    guard FileSystem.kind(of: file) != nil else { return nil }
    return try ScoreShard(readingFrom: file, identity: identity)
  }

  /// Makes the folder, if need be, a place for a set of so many shards.
  ///
  /// - Parameter replacing: removes shards and manifest of sets with another number of shards.
  /// - Throws: cannot create (73) when such a set is there and is not to be replaced: two sets side by side are none.
  package func prepare(shards: Int, replacing: Bool) throws {
    try FileSystem.createFolder(path)
    let others = try shardFiles().filter { $0.shards != shards }
    // Drafts are no set, and serve any other.
    guard replacing, !others.isEmpty else {
      guard let first = others.first(where: { !$0.isDraft }) else { return }
      throw TregError.cannotCreate(
        at: path,
        "a set of \(first.shards) shards is here, and two sets in one folder are none; use --overwrite or another folder"
      )
    }
    for file in others { try FileSystem.remove(FileSystem.join(path, file.name)) }
    try FileSystem.remove(FileSystem.join(path, Self.manifestName))
  }

  /// A file of a shard, and what its name tells.
  struct ShardFile {
    let name: String
    let shard: Int
    let shards: Int
    private let kind: Substring

    init?(_ name: String) {
      let parts = name.split(separator: ".")
      guard name.hasPrefix("shard-"), parts.count == 2, ["rewards", "jsonl", "part"].contains(parts[1]) else {
        return nil
      }
      let words = parts[0].split(separator: "-")
      guard words.count == 4, let shard = Int(words[1]), let shards = Int(words[3]), shards > 0,
        (0..<shards).contains(shard)
      else { return nil }
      (self.name, self.shard, self.shards, kind) = (name, shard, shards, parts[1])
    }

    var isShard: Bool { kind == "rewards" }
    var isDraft: Bool { kind == "part" }
  }

  func shardFiles() throws -> [ShardFile] {
    guard FileSystem.kind(of: path) == .folder else { return [] }
    return try FileSystem.contents(ofFolder: path).compactMap(ShardFile.init)
  }

  /// Writes a shard, and the manifest when it was the last one missing.
  package func write(_ shard: ScoreShard) throws {
    try FileSystem.createFolder(path)
    try shard.write(to: file(shard: shard.shard, of: shard.shards), identity: identity)
    try writeManifestWhenComplete(shards: shard.shards)
  }

  /// Removes a shard, its records, its draft and the manifest, which stands for a whole set.
  package func remove(shard: Int, of shards: Int) throws {
    for path in [file(shard: shard, of: shards), records(shard: shard, of: shards), draft(shard: shard, of: shards)] {
      try FileSystem.remove(path)
    }
    try FileSystem.remove(FileSystem.join(path, Self.manifestName))
  }

  /// Writes the manifest once all shards of a set are there, made from the same. Harmless when several jobs finish together.
  package func writeManifestWhenComplete(shards: Int) throws {
    let names = (0..<shards).map { ScoreShard.name(shard: $0, of: shards) }
    guard names.allSatisfy({ FileSystem.kind(of: FileSystem.join(path, $0)) == .file }) else { return }
    let headers = try names.map { try ScoreShard.header(of: FileSystem.join(path, $0)) }
    guard headers.allSatisfy({ identity.mismatch(with: $0["identity"] ?? nil) == nil }) else { return }
    let files = try zip(names, headers).map { name, header -> JSONValue in
      [
        "file": .string(name), "rows": header["count"] ?? nil,
        "bytes": .integer(try FileSystem.size(of: FileSystem.join(path, name))),
        "payload_hash": header["payload_hash"] ?? nil,
      ]
    }
    let manifest: JSONValue = [
      "identity": identity.json, "shards": .integer(shards), "rows": .integer(identity.rowCount),
      "files": .array(files),
    ]
    try AtomicFile.write(manifest.text(.indented(2)) + "\n", to: FileSystem.join(path, Self.manifestName))
    // Every row is in a shard now.
    for file in try shardFiles() where file.isDraft { try FileSystem.remove(FileSystem.join(path, file.name)) }
  }

  /// What the manifest says of each shard; nil without a manifest.
  ///
  /// - Throws: bad data (65) when it is none.
  private func manifest() throws -> [ManifestEntry]? {
    let place = FileSystem.join(path, Self.manifestName)
    guard FileSystem.kind(of: place) == .file else { return nil }
    guard let value = try? JSONValue(parsing: FileSystem.readBytes(place)), let shards = value["shards"]?.integer,
      shards > 0, let files = value["files"]?.array, files.count == shards
    else { throw TregError.badData(at: place, "not a manifest of token rewards") }
    // Manifests of earlier versions tell no sizes.
    return files.map { ManifestEntry(bytes: $0["bytes"]?.integer, payloadHash: $0["payload_hash"]?.string) }
  }

  private struct ManifestEntry {
    let bytes: Int?
    let payloadHash: String?
  }

  /// The number of shards of the set in the folder: the manifest's, else the one that the file names tell.
  package func shardCount() throws -> Int? {
    if let manifest = try manifest() { return manifest.count }
    let counts = Set(try shardFiles().filter(\.isShard).map(\.shards))
    guard counts.count <= 1 else {
      throw TregError.badData(
        at: path,
        "shards of several sets stand side by side (of \(counts.sorted().map(String.init).joined(separator: ", of ")))")
    }
    return counts.first
  }

  /// Whether a shard is the one that the manifest was written for.
  ///
  /// - Throws: bad data (65) when it is not: it was made anew, or comes from another set.
  private func check(_ file: String, against entry: ManifestEntry) throws {
    let size = try FileSystem.size(of: file)
    if let bytes = entry.bytes, bytes != size {
      throw TregError.badData(at: file, "has \(size) bytes, the manifest says \(bytes): not a shard of this set")
    }
    let hash = try ScoreShard.header(of: file)["payload_hash"]?.string
    if let expected = entry.payloadHash, expected != hash {
      throw TregError.badData(
        at: file, "has the hash \(hash ?? "none"), the manifest says \(expected): not a shard of this set")
    }
  }

  /// The shards of a set that are still to be made; when there are none the manifest is written.
  ///
  /// - Throws: bad data (65) when one is stale or damaged, with its name.
  package func missing(of shards: Int) throws -> [Int] {
    let missing = try (0..<shards).filter { try finished(shard: $0, of: shards) == nil }
    if missing.isEmpty { try writeManifestWhenComplete(shards: shards) }
    return missing
  }

  private var nothingHere: TregError {
    .missing(at: path, "no token rewards here; make them with treg rewards")
  }

  private func isMissing(_ shard: Int, of shards: Int) -> TregError {
    .badData(
      at: path, "\(ScoreShard.name(shard: shard, of: shards)) is missing: run treg rewards --shard \(shard)/\(shards)")
  }

  /// Looks, without reading the scores, whether a whole set of them is here.
  ///
  /// - Throws: as ``rows(in:)``.
  package func checkPresence() throws {
    guard let shards = try shardCount() else { throw nothingHere }
    for shard in 0..<shards where FileSystem.kind(of: file(shard: shard, of: shards)) == nil {
      throw isMissing(shard, of: shards)
    }
    let first = file(shard: 0, of: shards)
    if let reason = identity.mismatch(with: try ScoreShard.header(of: first)["identity"] ?? nil) {
      throw ScoreShard.isStale(first, reason)
    }
  }

  /// The scores of consecutive rows, read from whichever shards hold them.
  ///
  /// - Parameter range: indices into the data's usable rows.
  /// - Throws: 66 when there are no scores, 65 when a shard is missing, stale or damaged.
  package func rows(in range: Range<Int>) throws -> [RowScores] {
    guard let shards = try shardCount() else { throw nothingHere }
    let manifest = try manifest()
    var rows: [RowScores] = []
    for shard in 0..<shards {
      let held = ScoreShard.range(shard: shard, of: shards, rowCount: identity.rowCount)
      let wanted = held.clamped(to: range)
      guard !wanted.isEmpty else { continue }
      guard let finished = try finished(shard: shard, of: shards) else {
        throw isMissing(shard, of: shards)
      }
      if let manifest { try check(file(shard: shard, of: shards), against: manifest[shard]) }
      rows += finished.rows[wanted.lowerBound - held.lowerBound..<wanted.upperBound - held.lowerBound]
    }
    return rows
  }

  /// Removes every shard and the manifest when any shard is stale or damaged; for runs that replace an earlier one.
  package func clearStale() throws {
    let files = try shardFiles()
    let areUsable = files.filter(\.isShard).allSatisfy { file in
      (try? ScoreShard(readingFrom: FileSystem.join(path, file.name), identity: identity)) != nil
    }
    if areUsable { return }
    for name in files.map(\.name) + [Self.manifestName] { try FileSystem.remove(FileSystem.join(path, name)) }
  }
}
