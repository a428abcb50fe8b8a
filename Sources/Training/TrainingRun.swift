import Collectives
import Compute
import Configuration
import ModelFiles
import OrderedJSON
import PreferenceData
import Reporting
import RunFolder
import Scoring
import Transformer
import Watch

/// A run from start to end: scores, steps, evaluations, checkpoints, the trained folder.
package final class TrainingRun {
  /// How a run begins.
  package enum Start: Sendable, Equatable {
    case fresh
    case overwrite
    /// From a checkpoint's folder; nil: from the newest of the run folder, or from the start when there is none.
    case resume(String?)

    var layoutStart: RunLayout.Start {
      switch self {
      case .fresh: .fresh
      case .overwrite: .overwrite
      case .resume: .resume
      }
    }
  }

  private let setup: TrainingSetup
  private let start: Start
  private let stop: StopRequest
  private let layout: RunLayout
  private let bestMetric: BestMetric?
  /// What the run is doing, for reports of failures.
  private var phase: StaticString = "start" { didSet { Pulse.enter(phase) } }
  private var step: Int? { didSet { Pulse.enter(step: step) } }
  /// Faults that the run is told to have.
  private let drill: Drill?

  private var communicator: Communicator { setup.communicator }
  private var configuration: RunConfiguration { setup.configuration }
  private var speaks: Bool { communicator.rank == 0 }
  /// Scores of the held-out pairs.
  private var heldRewards: String { FileSystem.join(layout.rewards, "eval") }

  /// Collective: reads and checks everything; writes nothing.
  package init(
    _ configuration: RunConfiguration, start: Start, communicator: Communicator, environment: [String: String],
    stop: StopRequest
  ) throws {
    self.start = start
    self.stop = stop
    layout = RunLayout(configuration.out)
    bestMetric = try communicator.agree { try BestMetric(configuration) }
    drill = try Drill(environment: environment, ranks: communicator.size)
    let layout = layout
    Pulse.enter("reading")
    try communicator.agree { try layout.check(start.layoutStart) }
    setup = try TrainingSetup(configuration, communicator: communicator, environment: environment)
    let setup = setup
    try communicator.agree {
      try setup.source.requireOutside(layout.root)
      try setup.reference.requireOutside(layout.root)
      if let given = configuration.rewards, !setup.objective.needs.scores.isEmpty {
        try ScoreFolder(given, identity: setup.identity(of: setup.train)).checkPresence()
      }
    }
  }

  /// The configuration, the layout, memory and rows, for `--dry-run` and before step 1.
  package var announcement: String { setup.announcement + (drill.map { "\n" + $0.announcement } ?? "") }

  /// Collective: does the work.
  package func run() throws -> ExitCode {
    let group = try FolderGroup.find(layout, communicator: communicator)
    let lock = try communicator.agree { try group.leads ? layout.prepare(start.layoutStart) : nil }
    defer { lock?.release() }
    Watchdog.follow(layout, run: try communicator.runName())
    let store = CheckpointStore(group: group, communicator: communicator)
    // Before anything is written: what cannot go on stays as it was.
    let resumed: CheckpointStore.Found? =
      if case .resume(let name) = start { try store.find(name) } else { nil }
    if let resumed { try communicator.agree { try check(resumed.state) } }
    var status = RunStatus(ranks: communicator.size, totalSteps: setup.plan.stepCount)
    status.step = resumed?.state.step ?? 0
    status.epoch = setup.plan.epochs(afterSteps: status.step)
    do {
      let facts = try RunFacts(setup)
      try leaderDoes(group) {
        try AtomicFile.write(configuration.yamlText, to: layout.configuration)
        try AtomicFile.write(facts.json.text(.indented(2)) + "\n", to: layout.facts)
        try status.write(to: layout.status)
      }
      return try train(group, from: resumed, of: store, status: &status)
    } catch {
      // Who asked for an end before there was anything to save gets one, and no failure.
      let isStop = (error as? TregError).map { [.preempted, .interrupted].contains($0.exitCode) } ?? false
      status.state = isStop ? .stopped : .failed
      status.message = Console.line(of: error)
      // The first failure is the one to report.
      if group.leads { try? status.write(to: layout.status) }
      throw error
    }
  }

  private func leaderDoes(_ group: FolderGroup, _ body: () throws -> Void) throws {
    try communicator.agree { if group.leads { try body() } }
  }

  private func note(_ line: String) { if speaks { Console.note(line) } }

  // MARK: The course of a run

  private func train(
    _ group: FolderGroup, from resumed: CheckpointStore.Found?, of store: CheckpointStore, status: inout RunStatus
  ) throws -> ExitCode {
    let workers = Workers(threads: setup.threads)
    phase = "loading the model"
    var frozen: Transformer? = try communicator.agree { try setup.loadReference(workers: workers) }
    status.state = .scoring
    try leaderDoes(group) { try status.write(to: layout.status) }
    if start == .overwrite {
      try leaderDoes(group) {
        for (tokens, folder) in [(setup.train, layout.rewards), (setup.held, heldRewards)] {
          if let tokens { try ScoreFolder(folder, identity: setup.identity(of: tokens)).clearStale() }
        }
      }
    }
    let plan = setup.plan
    // A checkpoint may be of a longer run, whose scores have to be the same for it to go on.
    let scores = try obtainScores(
      of: setup.train, rows: plan.rows(ofSteps: max(plan.stepCount, resumed?.state.totalSteps ?? 0)),
      in: layout.rewards,
      given: configuration.rewards, model: frozen!)
    let heldScores = try setup.held.flatMap {
      try obtainScores(of: $0, rows: nil, in: heldRewards, given: nil, model: frozen!)
    }
    let (model, reference) = try setup.policy(from: &frozen)
    let scoreHash = try scores?.contentHash(of: plan.rows(ofSteps: plan.stepCount))
    if let saved = resumed?.state,
      saved.scoreHash != (try scores?.contentHash(of: plan.rows(ofSteps: saved.totalSteps)))
    {
      throw TregError(
        .badData, at: layout.rewards,
        "these scores are not those that the checkpoint was trained with",
        isOnAllRanks: true)
    }

    let timeline = StepTimeline(records: configuration.profile)
    let trainer = try setup.trainer(of: model, reference: reference, timeline: timeline)
    trainer.drill = drill.map { DrillCourse($0, rank: communicator.rank) }
    if let resumed {
      try store.load(resumed.state, from: resumed.path, into: trainer)
      if let value = resumed.state.guardState { try trainer.restoreGuard(value, place: resumed.path) }
      note("resuming from \(resumed.path) at step \(resumed.state.step)")
    }
    phase = "training"
    var loop = try StepLoop(
      setup: setup, trainer: trainer, timeline: timeline, scores: scores, heldScores: heldScores, layout: layout,
      group: group, stop: stop, startStep: resumed?.state.step ?? 0, tokenCount: resumed?.state.tokenCount ?? 0)
    let writer = CheckpointWriter(
      group: group, communicator: communicator,
      files: TrainedModelFiles(setup.source, model: model, shardBytes: configuration.maxShardSize), trainer: trainer)
    let checkpoints = RunCheckpoints(
      writer: writer, group: group, communicator: communicator, configuration: configuration, metric: bestMetric,
      resumed: resumed
    ) { [setup, configuration, communicator] step, tokens in
      RunState(
        step: step, totalSteps: setup.plan.stepCount, tokenCount: tokens, ranks: communicator.size,
        threads: setup.threads,
        division: group.members.count == communicator.size ? trainer.writtenDivision : trainer.division,
        dataHash: setup.train.tokens.contentHash,
        modelHash: setup.modelHash, scoreHash: scoreHash, arithmetic: Arithmetic.kind,
        configuration: configuration.yamlText)
    }
    checkpoints.guardState = { trainer.stepGuard.json }
    checkpoints.savingChanged = { [unowned self] in self.phase = $0 ? "saving" : "training" }
    let reason = try loop.run(status: &status, checkpoints: checkpoints) { self.step = $0 }
    if configuration.profile { try writeTrace(timeline) }
    if let reason {
      status.state = .stopped
      status.message = "stopped at step \(loop.step), checkpoint saved"
      try leaderDoes(group) { try status.write(to: layout.status) }
      note("stopped after step \(loop.step) of \(setup.plan.stepCount); \(layout.checkpoint(step: loop.step)) resumes")
      return reason.exitCode
    }
    phase = "saving"
    if configuration.loadBestModelAtEnd { try loadBest(checkpoints.best, after: loop.step, store, trainer) }
    let type = StorageType(rawValue: configuration.saveType.rawValue)!
    let values = try trainer.trainedValues()
    try communicator.agree {
      if speaks {
        try TrainedModelFiles(
          setup.source, model: model, type: type, shardBytes: configuration.maxShardSize
        ).write(values, to: layout.root)
      }
    }
    status.state = .done
    status.message = checkpoints.warning
    try leaderDoes(group) { try status.write(to: layout.status) }
    if speaks { Console.print(layout.root) }
    return .done
  }

  /// Collective: takes the best checkpoint's weights for the trained model. Where they are gone the last ones stay, with a
  /// warning: they are better than none.
  private func loadBest(
    _ best: BestCheckpoint?, after step: Int, _ store: CheckpointStore, _ trainer: Trainer
  ) throws {
    guard let best, best.step != step else { return }
    let path = try communicator.share(from: 0) { layout.checkpoint(step: best.step) }
    if case .failure(let damage) = try store.look(at: path) {
      return note(
        "WARNING: the trained model is that of the last step: checkpoint-\(best.step), the best, cannot be read: \(damage.reason)"
      )
    }
    try store.loadWeights(from: path, into: trainer)
    note("the trained model is that of step \(best.step), the best by \(best.metric)")
  }

  /// Collective: all ranks' lanes in one file.
  private func writeTrace(_ timeline: StepTimeline) throws {
    let lane = timeline.trace(rank: communicator.rank, host: communicator.hostName)
    let lanes = try communicator.allGather(bytes: Array(lane.utf8))
    try communicator.agree {
      guard speaks else { return }
      let text = lanes.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ",\n")
      try AtomicFile.write("{\"traceEvents\":[\n\(text)\n]}\n", to: layout.trace)
      Console.note("profile: \(layout.trace), for chrome://tracing or Perfetto")
    }
  }

  private func check(_ state: RunState) throws {
    guard state.dataHash == setup.train.tokens.contentHash else {
      throw TregError.badData(
        at: configuration.data.joined(separator: ", "), "not the data that the checkpoint was trained on")
    }
    guard state.modelHash == setup.modelHash else {
      throw TregError.badData(
        at: (configuration.reference ?? configuration.model), "not the reference that the checkpoint was trained with")
    }
    let saved = try RunConfiguration.parse(yaml: state.configuration, place: "state.json")
    if let difference = configuration.differences(fromSaved: saved).first {
      throw TregError.configuration(at: "--resume", difference)
    }
    if configuration.reproducible, let then = state.arithmetic, then != Arithmetic.kind {
      throw TregError.configuration(
        at: "--resume",
        "the checkpoint was computed with \(then); here it is \(Arithmetic.kind), which gives other bits")
    }
  }

  /// Collective: the scores that the objective needs; nil when it needs none.
  ///
  /// - Parameter rows: those that are needed; nil: all.
  private func obtainScores(
    of tokens: RunTokens, rows wanted: Set<Int>?, in folder: String, given: String?, model: Transformer
  ) throws -> ScoreExchange? {
    guard !setup.objective.needs.scores.isEmpty else { return nil }
    phase = "scoring"
    let provider = ScoreProvider(
      communicator: communicator, pairs: tokens.pairs, identity: setup.identity(of: tokens), wanted: wanted)
    if let rows = try provider.finished(in: given ?? folder, required: given != nil) {
      note("scores: \(tokens.pairs.count) rows from \(given ?? folder)")
      return provider.exchange(rows)
    }
    let scorer = try communicator.agree {
      try Scorer(
        model: model, rewards: setup.rewardSource, tokenizer: setup.pairTokenizer,
        microBatchTokens: setup.microBatchTokens)
    }
    let own = provider.ownCount(in: folder)
    var progress = Progress("scoring", total: max(own, 1), isSpeaking: speaks)
    let stopwatch = Stopwatch()
    let (rows, summary) = try provider.make(in: folder, scorer: scorer) {
      progress.start(at: $0)
    } progress: {
      if let reason = stop.reason {
        throw TregError(reason.exitCode, "stopped while scoring; --resume goes on with the rows scored so far")
      }
      progress.update($0, isLogged: $0 % 32 == 0 || $0 == own)
    }
    progress.finish()
    var signal = RewardSignal()
    for row in rows { signal.add(row) }
    try signal.combine(communicator)
    note(
      "scores: \(summary.rowsText), \(summary.tokenCount) tokens in \(NumberFormat.fixed(stopwatch.seconds, decimals: 1)) s; contrastive prompts cut: \(summary.cutPromptCount)"
    )
    if setup.rewardSource != nil { note(signal.summary) }
    return provider.exchange(rows)
  }
}

extension RewardSignal {
  /// One line for people: how strong the token rewards are.
  package var summary: String {
    func number(_ value: Double) -> String { NumberFormat.fixed(value, decimals: 3) }
    return
      "token rewards: |r| > 0.05 on \(number(strongShare)) of \(tokenCount) tokens, mean \(NumberFormat.signed(meanChosen, decimals: 4)) chosen, "
      + "\(NumberFormat.signed(meanRejected, decimals: 4)) rejected; chosen above rejected by sum \(number(sumAccuracy)), by mean \(number(meanAccuracy)) of \(rowCount) rows"
  }
}
