import Collectives
import Compute
import Configuration
import ModelDescription
import OrderedJSON
import Reporting
import RunFolder

/// The checkpoints of a run under way: how they are written, which are kept, and what happens when one cannot be.
///
/// All methods but ``evaluated(step:_:)`` and ``settle()`` are collective.
final class RunCheckpoints {
  private let writer: CheckpointWriter
  private let group: FolderGroup
  private let communicator: Communicator
  private let limit: Int?
  private let copies: Bool
  private let metric: BestMetric?
  /// The state after so many steps and tokens.
  private let state: (_ step: Int, _ tokenCount: Int) -> RunState
  /// Steps of checkpoints that were found damaged: they go first.
  private var damagedSteps: Set<Int>
  /// What the last evaluation found, and after which step.
  private var evaluation: (step: Int, value: Double)?
  /// Removes older checkpoints while training goes on, on the rank that leads.
  private var removal: BackgroundTask<Void>?

  /// The step of the newest checkpoint that is there, of those that this run wrote or began with.
  private(set) var lastStep: Int?
  /// Why the last checkpoint could not be written, until one can be again.
  private(set) var warning: String?
  private(set) var best: BestCheckpoint?
  /// What guards remember, asked for as a checkpoint begins.
  var guardState: () -> JSONValue? = { nil }
  /// Told when the run begins to stand still for a checkpoint, and when it goes on.
  var savingChanged: (Bool) -> Void = { _ in }

  /// - Parameter resumed: what the run goes on from.
  init(
    writer: CheckpointWriter, group: FolderGroup, communicator: Communicator, configuration: RunConfiguration,
    metric: BestMetric?, resumed: CheckpointStore.Found?, state: @escaping (_ step: Int, _ tokenCount: Int) -> RunState
  ) {
    self.writer = writer
    self.group = group
    self.communicator = communicator
    self.metric = metric
    self.state = state
    limit = configuration.saveTotalLimit
    copies = configuration.copiesCheckpoints
    damagedSteps = Set(resumed?.damagedSteps ?? [])
    lastStep = resumed?.state.step
    best = metric == nil ? nil : resumed?.state.best
  }

  /// Whether a checkpoint is under way; the same on all ranks.
  var isWriting: Bool { writer.pendingStep != nil }
  /// Whether this rank has not written its part of it.
  var isBusy: Bool { writer.isBusy }

  /// Takes note of an evaluation; a checkpoint of the same step is compared by it.
  func evaluated(step: Int, _ line: MetricsLine) {
    guard let metric else { return }
    let value = line[metric.metric]
    if value == nil, evaluation == nil, communicator.rank == 0 {
      Console.note("warning: evaluations of this run have no \(metric.name), so no checkpoint is the best")
    }
    evaluation = (step, value ?? .nan)
  }

  /// Writes a checkpoint while training goes on, or, when it is the last or `save_async` is off, at once. One that cannot be
  /// written costs a warning, not the run.
  func save(step: Int, tokenCount: Int, isLast: Bool) throws {
    savingChanged(true)
    defer { savingChanged(false) }
    try finish()
    // There is room for one more than are kept, not for two.
    settle()
    let copying = copies && !isLast
    try surviving(step) {
      try writer.begin(makeState(step, tokenCount), copying: copying)
      if !copying { try conclude() }
    }
  }

  /// Writes the checkpoint that a run ends with, unless it is there.
  ///
  /// - Throws: 73, 74 or 77 when it cannot be written.
  func saveForStop(step: Int, tokenCount: Int) throws {
    savingChanged(true)
    try finish()
    guard lastStep != step else { return }
    settle()
    try writer.begin(makeState(step, tokenCount), copying: false)
    try conclude()
  }

  /// Waits until this rank has removed what it was removing.
  func settle() {
    // What went wrong was told.
    try? removal?.wait()
    removal = nil
  }

  /// Waits for the checkpoint that is under way, if there is one.
  func finish() throws {
    guard let step = writer.pendingStep else { return }
    try surviving(step) { try conclude() }
  }

  private func makeState(_ step: Int, _ tokenCount: Int) -> RunState {
    var state = self.state(step, tokenCount)
    state.best = best
    if let metric, let evaluation, evaluation.step == step {
      state.best = metric.best(best, step: step, value: evaluation.value)
    }
    state.guardState = guardState()
    return state
  }

  private func conclude() throws {
    guard let written = try writer.finish() else { return }
    lastStep = written.state.step
    warning = nil
    let isBest = written.state.best?.step == lastStep
    best = written.state.best
    damagedSteps.remove(written.state.step)
    if group.leads { beginRemoval() }
    if isBest, group.leads { record() }
    if communicator.rank == 0 { Console.note(Self.line(written, isBest: isBest)) }
  }

  /// Runs `body`; when the disk does not take a checkpoint, the run goes on without it.
  private func surviving(_ step: Int, _ body: () throws -> Void) throws {
    do {
      try body()
    } catch let error as TregError where survives(error) {
      let kept = lastStep.map { "checkpoint-\($0) stays" } ?? "there is none yet"
      warning = "checkpoint-\(step) could not be written (\(error)); training goes on, \(kept)"
      if communicator.rank == 0 { Console.note("WARNING: \(warning!)") }
    }
  }

  /// Whether it is the disk's fault, and all ranks know.
  private func survives(_ error: TregError) -> Bool {
    guard [.inputOutput, .cannotCreate, .inputMissing, .permission].contains(error.exitCode) else { return false }
    return error.isOnAllRanks || communicator.size == 1
  }

  /// Begins to remove older checkpoints beyond the limit: never the newest, never the best, damaged ones first. Gigabytes take a
  /// file system seconds, which training does not wait for.
  private func beginRemoval() {
    guard let limit, let newest = lastStep else { return }
    settle()
    removal = BackgroundTask { [layout = group.layout, best = best?.step, damagedSteps] in
      do {
        let older = try layout.checkpoints().filter { $0.step < newest && $0.step != best }
        let kept = best.map { $0 < newest } == true ? 2 : 1
        let whole = older.filter { !damagedSteps.contains($0.step) }
        let spare = whole.dropLast(max(limit - kept, 0)) + older.filter { damagedSteps.contains($0.step) }
        for old in spare { try AtomicFolder.remove(old.path) }
      } catch {
        Console.note("warning: an old checkpoint could not be removed: \(error)")
      }
    }
  }

  private func record() {
    guard let best else { return }
    var members: JSONObject = ["checkpoint": .string("checkpoint-\(best.step)")]
    for (name, value) in best.json.object ?? [:] { members[name] = value }
    do {
      try AtomicFile.write(JSONValue.object(members).text(.indented(2)) + "\n", to: group.layout.best)
    } catch {
      Console.note("warning: the best checkpoint could not be recorded: \(error)")
    }
  }

  private static func line(_ written: CheckpointWriter.Written, isBest: Bool) -> String {
    func seconds(_ value: Double) -> String { NumberFormat.fixed(value, decimals: 2) }
    return "checkpoint-\(written.state.step): \(MemoryFormula.readable(written.byteCount)), training waited "
      + "\(seconds(written.waited)) s of \(seconds(written.total)) s" + (isBest ? ", the best so far" : "")
  }
}
