import Collectives
import OrderedJSON
import RunFolder

/// Where a run stands, as `state/state.json` of a checkpoint holds it: with weights and the optimizer's moments, all that decides
/// how it goes on. The order of rows and what adapters start from follow from the seed, the place in the data and the
/// learning rate from the step: there is no random state besides.
package struct RunState: Sendable, Equatable {
  static let version = 3
  /// Checkpoints of this format version and later ones have a ``CheckpointManifest``.
  static let firstVersionWithManifest = 3

  /// Optimizer steps done; the data position follows from it.
  package var step: Int
  package var totalSteps: Int
  /// Tokens of conversations trained on so far.
  package var tokenCount: Int
  package var ranks: Int
  package var threads: Int
  /// Each rank's part of the optimizer's state, in elements of the flat buffer.
  package var division: StateDivision
  package var dataHash: String
  package var modelHash: String
  package var scoreHash: String?
  /// What the run computed with (``Arithmetic/kind``); nil in checkpoints of earlier versions.
  package var arithmetic: String?
  /// The run's configuration as YAML.
  package var configuration: String
  /// The best checkpoint of the run so far, this one included; nil where none were compared.
  package var best: BestCheckpoint?
  /// What guards against bad steps remember, kept as they gave it (``StepGuard/json``): an object with a
  /// version of its own. nil: nothing.
  package var guardState: JSONValue?

  /// - Precondition: the division is not that of an older format.
  package var json: JSONValue {
    let (ends, count, shares): ([JSONValue], Int, Int)
    switch division {
    case .buckets(let layout):
      (ends, count, shares) = (layout.buckets.map { .integer($0.upperBound) }, layout.count, layout.shares)
    case .whole(let elements): (ends, count, shares) = ([], elements, ranks)
    case .shards: preconditionFailure("one range a rank is no longer written")
    }
    var members: JSONObject = [
      "version": .integer(Self.version), "step": .integer(step), "total_steps": .integer(totalSteps),
      "num_tokens": .integer(tokenCount), "ranks": .integer(ranks), "threads": .integer(threads),
      "elements": .integer(count), "buckets": .array(ends), "shares": .integer(shares),
      "data_hash": .string(dataHash),
      "model_hash": .string(modelHash), "score_hash": scoreHash.map { .string($0) } ?? nil,
      "arithmetic": arithmetic.map { .string($0) } ?? nil, "configuration": .string(configuration),
    ]
    if let best { members["best"] = best.json }
    if let guardState { members["guard"] = guardState }
    return .object(members)
  }

  package init(
    step: Int, totalSteps: Int, tokenCount: Int, ranks: Int, threads: Int, division: StateDivision, dataHash: String,
    modelHash: String, scoreHash: String?, arithmetic: String?, configuration: String, best: BestCheckpoint? = nil,
    guardState: JSONValue? = nil
  ) {
    self.step = step
    self.totalSteps = totalSteps
    self.tokenCount = tokenCount
    self.ranks = ranks
    self.threads = threads
    self.division = division
    self.dataHash = dataHash
    self.modelHash = modelHash
    self.scoreHash = scoreHash
    self.arithmetic = arithmetic
    self.configuration = configuration
    self.best = best
    self.guardState = guardState
  }

  /// The format version of a state that may be damaged otherwise; nil when it has none.
  static func formatVersion(of text: String) -> Int? { (try? JSONValue(parsing: text))?["version"]?.integer }

  package init(parsing text: String, place: String) throws {
    func damaged(_ key: String) -> TregError { .badData(at: place, "the checkpoint's state lacks a valid \"\(key)\"") }
    guard let value = try? JSONValue(parsing: text) else { throw TregError.badData(at: place, "not JSON") }
    guard let version = value["version"]?.integer, 1...Self.version ~= version else {
      throw TregError.badData(
        at: place, "format version \(value["version"]?.text() ?? "unknown"); this program reads 1 to \(Self.version)")
    }
    func integer(_ key: String) throws -> Int {
      guard let number = value[key]?.integer, number >= 0 else { throw damaged(key) }
      return number
    }
    func string(_ key: String) throws -> String {
      guard let text = value[key]?.string else { throw damaged(key) }
      return text
    }
    step = try integer("step")
    totalSteps = try integer("total_steps")
    tokenCount = try integer("num_tokens")
    ranks = try integer("ranks")
    threads = try integer("threads")
    guard ranks > 0 else { throw damaged("ranks") }
    if version == 1 {
      let shards = try (value["shards"]?.array ?? []).map { pair in
        guard let first = pair.array?.first?.integer, let end = pair.array?.last?.integer, 0 <= first, first <= end
        else { throw damaged("shards") }
        return first..<end
      }
      guard shards.count == ranks else { throw damaged("shards") }
      division = .shards(shards)
    } else {
      let count = try integer("elements")
      var start = 0
      let buckets = try (value["buckets"]?.array ?? []).map { end in
        guard let end = end.integer, start <= end, end <= count else { throw damaged("buckets") }
        defer { start = end }
        return start..<end
      }
      guard buckets.isEmpty || start == count else { throw damaged("buckets") }
      let shares = try integer("shares")
      guard shares > 0, shares % ranks == 0 else { throw damaged("shares") }
      division =
        buckets.isEmpty
        ? .whole(count: count) : .buckets(BucketLayout(buckets: buckets, ranks: ranks, shares: shares))
    }
    dataHash = try string("data_hash")
    modelHash = try string("model_hash")
    scoreHash = value["score_hash"]?.string
    arithmetic = value["arithmetic"]?.string
    configuration = try string("configuration")
    if let value = value["best"], !value.isNull {
      guard let best = BestCheckpoint(value) else { throw damaged("best") }
      self.best = best
    }
    if let value = value["guard"], !value.isNull { guardState = value }
  }

  /// Ranks whose files together cover some ranges, the rank of the same number preferred: it is all that an unchanged
  /// layout reads, and where every rank held everything one file is enough.
  package func holders(of ranges: [Range<Int>], for rank: Int) -> [Int] {
    if rank < ranks, division.ranges(of: rank) == ranges { return [rank] }
    let wanted = ranges.reduce(0) { $0 + $1.count }
    var some: [Int] = []
    for rank in 0..<ranks {
      let shared = SharedRanges.of(ranges, division.ranges(of: rank)).reduce(0) { $0 + $1.range.count }
      if shared == wanted { return [rank] }
      if shared > 0 { some.append(rank) }
    }
    return some
  }
}
