import Collectives
import Compute
import OrderedJSON
import Reporting
import RunFolder

/// Finds and reads checkpoints of a run: `checkpoint-N` opens in transformers, its `state/` resumes.
struct CheckpointStore {
  /// A checkpoint that a run can go on from.
  struct Found {
    let state: RunState
    /// As rank 0 sees it.
    let path: String
    /// Steps of later ones that are damaged.
    let damagedSteps: [Int]
  }

  let group: FolderGroup
  let communicator: Communicator

  // MARK: Finding

  /// Collective: the checkpoint to resume from; nil when there is none at all.
  ///
  /// - Parameter name: a checkpoint's folder; nil takes the newest of the run folder that is whole, and tells which newer
  ///   ones are not, and why.
  /// - Throws: 66 when there is no folder of that name; 65 when it is damaged, or when no checkpoint of the run is whole.
  func find(_ name: String?) throws -> Found? {
    let paths = try communicator.agree { () -> [String] in
      guard communicator.rank == 0 else { return [] }
      guard let name else { return try group.layout.checkpoints().reversed().map(\.path) }
      // As users name it: a path, or a checkpoint of the run's folder.
      let places = [name, FileSystem.join(group.layout.root, name)]
      guard let path = places.first(where: { FileSystem.kind(of: $0) == .folder }) else {
        throw TregError.missing(
          at: name, "no checkpoint to resume from: no such folder, here or in \(group.layout.root)")
      }
      return [path]
    }
    let count = Int(try communicator.share(from: 0) { "\(paths.count)" }) ?? 0
    var damaged: [(path: String, reason: String)] = []
    for number in 0..<count {
      let path = try communicator.share(from: 0) { paths[number] }
      switch try look(at: path) {
      case .success(let state):
        return Found(
          state: state, path: path,
          damagedSteps: damaged.compactMap { RunLayout.step(ofCheckpoint: FileSystem.name(of: $0.path)) })
      case .failure(let damage):
        guard name == nil else {
          throw TregError(
            .badData, at: path, "the checkpoint is damaged: \(damage.reason)", isOnAllRanks: true)
        }
        damaged.append((path, damage.reason))
        if communicator.rank == 0 {
          Console.note("warning: \(group.layout.relative(path)) is damaged and passed over: \(damage.reason)")
        }
      }
    }
    guard let newest = damaged.first else { return nil }
    throw TregError(
      .badData, at: newest.path,
      "no checkpoint of this run is whole (\(count) there, the newest: \(newest.reason)); --overwrite begins anew",
      isOnAllRanks: true)
  }

  /// Why a checkpoint is none.
  struct Damage: Error {
    let reason: String
  }

  /// Collective: a checkpoint's state, once it is clear that all of its files are what was written.
  ///
  /// Ranks that share a folder read its files together, each some of them. Checkpoints of formats that had no manifest are taken
  /// when their files can be read.
  func look(at path: String) throws -> Result<RunState, Damage> {
    let text = try communicator.share(from: 0) {
      (try? FileSystem.readText(FileSystem.join(path, CheckpointPart.stateName), maximumCount: 1 << 26)) ?? ""
    }
    guard !text.isEmpty else { return .failure(Damage(reason: "\(CheckpointPart.stateName) is missing or no text")) }
    let state: RunState
    do {
      state = try RunState(parsing: text, place: CheckpointPart.stateName)
    } catch {
      return .failure(Damage(reason: "\(error)"))
    }
    let folder = own(path, state)
    let hasManifest = FileSystem.kind(of: FileSystem.join(folder, CheckpointPart.manifestName)) == .file
    let isOld = (RunState.formatVersion(of: text) ?? 0) < RunState.firstVersionWithManifest
    var manifest: CheckpointManifest?
    var reason: String?
    if hasManifest {
      (manifest, reason) = Self.manifest(in: folder, step: state.step)
      if let manifest, group.leads { reason = manifest.wrongSize(in: folder) }
    } else if isOld {
      if communicator.rank == 0 { reason = Self.reason { try TrainedModelFiles.check(path) } }
    } else {
      reason = "\(CheckpointPart.manifestName) is missing"
    }
    if let first = try firstReason(reason) { return .failure(Damage(reason: first)) }
    // Only now: reading takes long.
    let reader = group.members.firstIndex(of: communicator.rank)!
    if let manifest {
      reason = manifest.wrongBytes(in: folder, reader: reader, of: group.members.count)
    } else {
      reason = oldDamage(in: folder, of: state, reader: reader)
    }
    if let first = try firstReason(reason) { return .failure(Damage(reason: first)) }
    if manifest == nil, communicator.rank == 0 {
      Console.note(
        "\(group.layout.relative(path)) is of an earlier version, without hashes of its files; they can be read")
    }
    return .success(state)
  }

  private static func manifest(in folder: String, step: Int) -> (CheckpointManifest?, reason: String?) {
    do {
      let text = try FileSystem.readText(
        FileSystem.join(folder, CheckpointPart.manifestName), maximumCount: 1 << 28)
      let manifest = try CheckpointManifest(parsing: text, place: CheckpointPart.manifestName)
      guard manifest.step == step else {
        return (nil, "\(CheckpointPart.manifestName) is of step \(manifest.step), the state of step \(step)")
      }
      return (manifest, nil)
    } catch {
      return (nil, "\(error)")
    }
  }

  /// What is wrong with this rank's share of a checkpoint without manifest.
  private func oldDamage(in folder: String, of state: RunState, reader: Int) -> String? {
    for rank in 0..<state.ranks where rank % group.members.count == reader {
      let name = CheckpointPart.optimizerName(rank: rank, of: state.ranks)
      let path = FileSystem.join(folder, name)
      // Where hosts have folders of their own, others have the other files.
      if group.members.count < communicator.size, FileSystem.kind(of: path) == nil { continue }
      if let reason = Self.reason({ try OptimizerFile.check(path) }) { return "\(name): \(reason)" }
    }
    return nil
  }

  private static func reason(_ body: () throws -> Void) -> String? {
    do {
      try body()
      return nil
    } catch {
      return (error as? TregError)?.message ?? "\(error)"
    }
  }

  /// Collective: the reason of the lowest rank that has one.
  private func firstReason(_ own: String?) throws -> String? {
    let all = try communicator.allGather(bytes: Array((own ?? "").utf8))
    guard let rank = all.firstIndex(where: { !$0.isEmpty }) else { return nil }
    let reason = String(decoding: all[rank], as: UTF8.self)
    return rank == 0 ? reason : "\(reason) (rank \(rank))"
  }

  // MARK: Loading

  /// Collective: loads weights and the optimizer's state.
  ///
  /// Rank 0 reads the weights and sends them; every rank reads the parts of the optimizer's state that overlap its own,
  /// from the folder it sees.
  func load(_ state: RunState, from path: String, into trainer: Trainer) throws {
    try loadWeights(from: path, into: trainer)
    let optimizer = trainer.optimizer
    try communicator.agree {
      let folder = own(path, state)
      for rank in state.holders(of: optimizer.ranges, for: communicator.rank) where !optimizer.ranges.isEmpty {
        try OptimizerFile.read(
          FileSystem.join(folder, CheckpointPart.optimizerName(rank: rank, of: state.ranks)),
          expected: state.division.ranges(of: rank), step: state.step, into: optimizer)
      }
      optimizer.step = state.step
    }
  }

  /// Collective: loads the weights alone.
  func loadWeights(from path: String, into trainer: Trainer) throws {
    try trainer.masters.restore(in: trainer.gradients) { try TrainedModelFiles.read(path, of: trainer.model, into: $0) }
  }

  /// A checkpoint's folder as this rank sees it: the one that rank 0 reads, or, where this rank has a run folder of its own, the
  /// same checkpoint there.
  private func own(_ path: String, _ state: RunState) -> String {
    if group.leader == 0 { return path }
    let own = group.layout.checkpoint(step: state.step)
    let description = FileSystem.join(own, CheckpointPart.stateName)
    guard var found = try? RunState(parsing: FileSystem.readText(description), place: description) else { return path }
    // It holds paths, which may differ between ranks; all that matters of it was compared before the run was saved.
    found.configuration = state.configuration
    return found == state ? own : path
  }
}
