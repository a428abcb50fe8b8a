import Collectives
import Compute
import Configuration
import ModelFiles
import OrderedJSON
import RunFolder
import Transformer

/// Where a run stands, as `state/state.json` of a checkpoint holds it.
package struct RunState: Sendable, Equatable {
  static let version = 2

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
  /// What guards against bad steps remember (``StepGuard/json``); nil in checkpoints of earlier versions.
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
    if let guardState { members["guard"] = guardState }
    return .object(members)
  }

  package init(
    step: Int, totalSteps: Int, tokenCount: Int, ranks: Int, threads: Int, division: StateDivision, dataHash: String,
    modelHash: String, scoreHash: String?, arithmetic: String?, configuration: String,
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
    self.guardState = guardState
  }

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

/// Checkpoints of a run: `checkpoint-N` opens in transformers, its `state/` resumes.
struct CheckpointStore {
  let group: FolderGroup
  let communicator: Communicator

  private static let stateFolder = "state"

  /// Collective: writes a checkpoint, whole or not at all, and removes older ones beyond `limit`.
  ///
  /// Rank 0 writes the model, fp32 whatever its weights are held as; every rank writes its part of the optimizer's state
  /// into the folder it sees.
  func save(_ state: RunState, trainer: Trainer, files: TrainedModelFiles, limit: Int?) throws {
    let values = try trainer.trainedValues()
    let path = group.layout.checkpoint(step: state.step)
    var folder: AtomicFolder?
    do {
      try communicator.agree { if group.leads { folder = try AtomicFolder(at: path) } }
      let paths = try communicator.allGather(bytes: Array((folder?.temporaryPath ?? "").utf8))
      let temporary = String(decoding: paths[group.leader], as: UTF8.self)
      let states = FileSystem.join(temporary, Self.stateFolder)
      try communicator.agree { if group.leads { try FileSystem.createFolder(states) } }
      try communicator.agree {
        try OptimizerFile.write(
          trainer.optimizer,
          to: FileSystem.join(states, OptimizerFile.name(rank: communicator.rank, of: communicator.size)))
        if communicator.rank == 0 {
          try files.write(values, to: temporary)
        }
        if group.leads {
          try AtomicFile.write(state.json.text(.indented(2)) + "\n", to: FileSystem.join(states, "state.json"))
        }
      }
      try communicator.agree { try folder?.commit() }
    } catch {
      // The first failure is the one to report.
      try? folder?.discard()
      throw error
    }
    if let limit, group.leads {
      for old in try group.layout.checkpoints().filter({ $0.step < state.step }).dropLast(limit - 1) {
        try FileSystem.remove(old.path)
      }
    }
  }

  /// Collective: the state of the checkpoint to resume from, and its folder as rank 0 sees it.
  ///
  /// - Parameter name: a checkpoint's folder; nil takes the newest of the run folder. Nil when there is none at all.
  func find(_ name: String?) throws -> (state: RunState, path: String)? {
    let found = try communicator.agree { () -> (String, String)? in
      guard communicator.rank == 0 else { return nil }
      guard let path = try name ?? group.layout.checkpoints().last?.path else { return nil }
      let file = FileSystem.join(FileSystem.join(path, Self.stateFolder), "state.json")
      guard FileSystem.kind(of: file) == .file else {
        throw TregError.missing(at: path, "no checkpoint to resume from: state/state.json is not there")
      }
      return (path, try FileSystem.readText(file))
    }
    let path = try communicator.share(from: 0) { found?.0 ?? "" }
    let text = try communicator.share(from: 0) { found?.1 ?? "" }
    guard !path.isEmpty else { return nil }
    return (try RunState(parsing: text, place: path), path)
  }

  /// Collective: loads weights and the optimizer's state.
  ///
  /// Rank 0 reads the weights and sends them; every rank reads the parts of the optimizer's state that overlap its own,
  /// from the folder it sees.
  func load(_ state: RunState, from path: String, into trainer: Trainer) throws {
    try trainer.masters.restore(in: trainer.gradients) { try TrainedModelFiles.read(path, of: trainer.model, into: $0) }
    let optimizer = trainer.optimizer
    try communicator.agree {
      for rank in state.holders(of: optimizer.ranges, for: communicator.rank) where !optimizer.ranges.isEmpty {
        let name = OptimizerFile.name(rank: rank, of: state.ranks)
        try OptimizerFile.read(
          file(name, of: state, from: path), expected: state.division.ranges(of: rank), step: state.step,
          into: optimizer)
      }
      optimizer.step = state.step
    }
  }

  /// A file of the checkpoint's state: in the folder that rank 0 reads, else, where this rank has a run folder of its
  /// own, in the same checkpoint there.
  private func file(_ name: String, of state: RunState, from path: String) throws -> String {
    func states(_ folder: String) -> String { FileSystem.join(folder, Self.stateFolder) }
    let named = FileSystem.join(states(path), name)
    let own = states(group.layout.checkpoint(step: state.step))
    let description = FileSystem.join(own, "state.json")
    guard FileSystem.kind(of: named) == nil, FileSystem.kind(of: description) == .file else { return named }
    var found = try RunState(parsing: FileSystem.readText(description), place: description)
    // It holds paths, which may differ between ranks; all that matters of it was compared before the run was saved.
    found.configuration = state.configuration
    return found == state ? FileSystem.join(own, name) : named
  }
}
