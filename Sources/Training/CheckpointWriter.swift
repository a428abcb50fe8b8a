import Collectives
import ModelDescription
import OrderedJSON
import Reporting
import RunFolder

/// Writes the checkpoints of a run, one at a time, all ranks together: whole or not at all.
///
/// Ranks of a folder write into one temporary folder, each its files: its part of the optimizer's state, and a share of the
/// files of weights, which the ranks that see rank 0's folder divide. The background thread never talks to MPI. So ranks ask each
/// other now and then, with something that they exchange anyway, whether all have written; then the leader writes the manifest
/// and gives the folder its name.
final class CheckpointWriter {
  /// A checkpoint that is there.
  struct Written {
    let state: RunState
    /// Of the files in this rank's folder.
    let byteCount: Int
    /// What training stood still for, and how long it took in all.
    let waited, total: Double
  }

  private struct Pending {
    let state: RunState
    let folder: AtomicFolder?
    let temporaryPath: String
    let task: BackgroundTask<[CheckpointManifest.Entry]>
    let stopwatch: Stopwatch
    let copySeconds: Double
  }

  private let group: FolderGroup
  private let communicator: Communicator
  private let files: TrainedModelFiles
  private let trainer: Trainer
  private let copy = CheckpointCopy()
  private var pending: Pending?

  init(group: FolderGroup, communicator: Communicator, files: TrainedModelFiles, trainer: Trainer) {
    self.group = group
    self.communicator = communicator
    self.files = files
    self.trainer = trainer
  }

  /// The step of the checkpoint that is under way; the same on all ranks.
  var pendingStep: Int? { pending?.state.step }

  /// Whether this rank itself has not written its part of it.
  var isBusy: Bool { pending.map { !$0.task.isFinished } ?? false }

  /// Collective: begins a checkpoint. ``finish()`` ends it.
  ///
  /// - Parameter copying: writes a copy, so that weights may change at once; else they must not until ``finish()``
  ///   returns.
  /// - Precondition: none is under way.
  /// - Throws: the same error on all ranks; nothing is left then.
  func begin(_ state: RunState, copying: Bool) throws {
    precondition(pending == nil, "a checkpoint is under way")
    let stopwatch = Stopwatch()
    let values = try trainer.trainedValues()
    let path = group.layout.checkpoint(step: state.step)
    var folder: AtomicFolder?
    do {
      try communicator.agree {
        guard group.leads else { return }
        let made = try AtomicFolder(at: path)
        folder = made
        try FileSystem.createFolder(FileSystem.join(made.temporaryPath, CheckpointPart.stateFolder))
      }
    } catch {
      // The first failure is the one to report.
      try? folder?.discard()
      throw error
    }
    let paths = try communicator.allGather(bytes: Array((folder?.temporaryPath ?? "").utf8))
    let temporaryPath = String(decoding: paths[group.leader], as: UTF8.self)
    let writer = group.leader == 0 ? group.members.firstIndex(of: communicator.rank) : nil
    let divided = writer == nil ? [] : files.files(writers: group.members.count)
    let trained = trainer.model.trained.parameters
    let live = CheckpointPart(
      state: state, rank: communicator.rank, leads: group.leads, files: files,
      weightFiles: writer.map { divided[$0] } ?? [],
      textsBeside: communicator.rank == 0 ? divided.flatMap(\.self) : nil, values: values,
      place: Dictionary(uniqueKeysWithValues: trained.map { ($0.name, $0.offset) }),
      moments: OptimizerFile.Moments(of: trainer.optimizer, in: state.division.ranges(of: communicator.rank)))
    let part = copying ? copy.take(live, workers: trainer.model.workers) : live
    pending = Pending(
      state: state, folder: folder, temporaryPath: temporaryPath,
      task: BackgroundTask {
        do {
          return try part.write(to: temporaryPath)
        } catch let error as TregError {
          throw error.moved(from: temporaryPath, to: path)
        }
      }, stopwatch: stopwatch,
      copySeconds: stopwatch.seconds)
  }

  /// Collective: waits for the checkpoint that is under way and gives it its name; nil when there is none.
  ///
  /// - Throws: the same error on all ranks when it cannot be written; nothing of it is left then.
  func finish() throws -> Written? {
    guard let pending else { return nil }
    self.pending = nil
    let entered = pending.stopwatch.seconds
    var isNamed = false
    do {
      let own = try communicator.agree { try pending.task.wait() }
      let text = CheckpointManifest.json(of: own).text()
      let all = try communicator.allGather(bytes: Array(text.utf8))
      let entries = try group.members.flatMap { rank in
        try JSONValue(parsing: all[rank]).entries(ofRank: rank)
      }
      let manifest = CheckpointManifest(step: pending.state.step, entries: entries)
      try communicator.agree {
        guard let folder = pending.folder else { return }
        try AtomicFile.write(
          manifest.text, to: FileSystem.join(pending.temporaryPath, CheckpointPart.manifestName))
        try folder.commit()
        isNamed = true
      }
      let total = pending.stopwatch.seconds
      return Written(
        state: pending.state, byteCount: manifest.byteCount,
        waited: pending.copySeconds + total - entered, total: total)
    } catch {
      // The first failure is the one to report.
      try? pending.folder?.discard()
      if isNamed, let folder = pending.folder { try? FileSystem.remove(folder.path) }
      throw error
    }
  }
}

extension TregError {
  /// The same about a file that users know by another name than that under which it is written.
  fileprivate func moved(from temporary: String, to path: String) -> TregError {
    guard let place, place.hasPrefix(temporary) else { return self }
    return TregError(exitCode, at: path + place.dropFirst(temporary.count), message, isOnAllRanks: isOnAllRanks)
  }
}

extension JSONValue {
  /// Entries as a rank sent them.
  fileprivate func entries(ofRank rank: Int) throws -> [CheckpointManifest.Entry] {
    guard let entries = CheckpointManifest.entries(of: self) else {
      throw TregError(.bug, "rank \(rank) sent no list of files", isOnAllRanks: true)
    }
    return entries
  }
}
