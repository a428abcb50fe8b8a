import OrderedJSON
import RunFolder

extension TokenFile {
  /// The end of a file of tokens: what to check and where to begin.
  ///
  ///     magic                                     8 bytes
  ///     records, one after another                prompt, chosen, rejected: Int32 each; then the row as JSON text
  ///     index, from a multiple of 64 on           64 bytes for each record
  ///     summary                                   JSON text: key, rows read, rows left out and why
  ///     trailer                                   64 bytes: offset of the index, records, bytes of the summary,
  ///                                               hash of all bytes before the trailer, magic
  ///
  /// All integers are little-endian, as every supported machine is.
  struct Trailer: BitwiseCopyable {
    var indexOffset: UInt64
    var count: UInt64
    var summaryCount: UInt64
    var hashHigh: UInt64
    var hashLow: UInt64
    var magic: UInt64 = TokenFile.magic
    var reserved: (UInt64, UInt64) = (0, 0)
  }

  /// "tregtok" and the version of this layout.
  static let magic: UInt64 = 0x01_6B_6F_74_67_65_72_74

  /// What the index holds of a record.
  struct Entry: BitwiseCopyable {
    var offset: UInt64
    var keyHigh: UInt64
    var keyLow: UInt64
    var row: UInt64
    var byteCount: UInt32
    var prompt: UInt32
    var chosen: UInt32
    var chosenScoredFrom: UInt32
    var rejected: UInt32
    var rejectedScoredFrom: UInt32
    var repairs: UInt32
    var truncation: UInt32

    init(_ pair: TokenizedPair, offset: Int, byteCount: Int) {
      let counts = pair.counts
      self.offset = UInt64(offset)
      keyHigh = pair.key.high
      keyLow = pair.key.low
      row = UInt64(counts.row)
      self.byteCount = UInt32(byteCount)
      prompt = UInt32(counts.prompt)
      chosen = UInt32(counts.chosen)
      chosenScoredFrom = UInt32(counts.chosenScoredFrom)
      rejected = UInt32(counts.rejected)
      rejectedScoredFrom = UInt32(counts.rejectedScoredFrom)
      repairs = counts.repairs.rawValue
      truncation = UInt32(counts.truncation.rawValue)
    }

    var counts: PairCounts {
      PairCounts(
        row: Int(row), prompt: Int(prompt), chosen: Int(chosen), chosenScoredFrom: Int(chosenScoredFrom),
        rejected: Int(rejected), rejectedScoredFrom: Int(rejectedScoredFrom),
        truncation: Truncation(rawValue: UInt8(truncatingIfNeeded: truncation)), repairs: Repairs(rawValue: repairs),
        key: PairKey(high: keyHigh, low: keyLow))
    }
  }
}

extension PreferenceRow {
  /// The row without its path.
  var record: JSONValue {
    var members: JSONObject = [
      "file": .integer(origin.file), "place": .string(origin.suffix), "prompt": prompt.json, "chosen": chosen.json,
      "rejected": rejected.json,
    ]
    if !templateVariables.isEmpty { members["variables"] = .object(templateVariables) }
    return .object(members)
  }

  /// nil: `record` is none that ``record`` makes.
  init?(record: JSONValue, counts: PairCounts, paths: [String]) {
    guard let file = record["file"]?.integer, paths.indices.contains(file), let suffix = record["place"]?.string,
      let prompt = Passage(json: record["prompt"]), let chosen = Passage(json: record["chosen"]),
      let rejected = Passage(json: record["rejected"])
    else { return nil }
    self.init(
      row: counts.row, place: paths[file] + suffix, origin: RowPlace(file: file, suffix: suffix), prompt: prompt,
      chosen: chosen, rejected: rejected, templateVariables: record["variables"]?.object ?? [:],
      repairs: counts.repairs)
  }
}

extension Passage {
  fileprivate var json: JSONValue {
    switch self {
    case .text(let text): .string(text)
    case .messages(let messages): .array(messages.map(\.raw))
    }
  }

  fileprivate init?(json: JSONValue?) {
    switch json {
    case .string(let text): self = .text(text)
    case .array(let messages):
      self = .messages(
        messages.map {
          Message(role: $0["role"]?.string ?? "", content: $0["content"]?.string ?? "", raw: $0)
        })
    default: return nil
    }
  }
}
