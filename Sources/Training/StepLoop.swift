import Collectives
import Compute
import Evaluation
import PreferenceData
import Reporting
import RunFolder
import Scoring

/// The steps of a run, with what is reported, evaluated and saved between them.
struct StepLoop {
  private let setup: TrainingSetup
  private let trainer: Trainer
  private let scores: ScoreExchange?
  /// Held-out pairs, and their scores, of each of this rank's shares.
  private let held: [(pairs: PairList, scores: [RowScores])]?
  private let layout: RunLayout
  private let group: FolderGroup
  private let stop: StopRequest
  private let timeline: StepTimeline
  /// Operations per second of this rank's products alone.
  private let productRate: Double
  private var plan: EpochPlan
  /// Scores of this rank's rows in some steps, the one under way among them.
  private var stepScores: (steps: Range<Int>, rows: [Int: RowScores])?
  /// Steps whose scores ranks exchange at a time: many, so that ranks seldom wait for it, and so few that what
  /// is held beside ``ScoreExchange`` does not grow with the data.
  static let exchangedSteps = 64
  /// Steps done.
  private(set) var step: Int
  private var tokenCount: Int

  private var communicator: Communicator { setup.communicator }
  private var pairs: PairList { setup.train.pairs }

  /// Collective.
  init(
    setup: TrainingSetup, trainer: Trainer, timeline: StepTimeline, scores: ScoreExchange?,
    heldScores: ScoreExchange?, layout: RunLayout, group: FolderGroup, stop: StopRequest, startStep: Int,
    tokenCount: Int
  ) throws {
    self.setup = setup
    self.trainer = trainer
    self.scores = scores
    self.layout = layout
    self.group = group
    self.stop = stop
    self.timeline = timeline
    let stopwatch = Stopwatch()
    productRate = ProductRate.measure(workers: trainer.model.workers, clock: { stopwatch.seconds })
    plan = setup.plan
    step = startStep
    self.tokenCount = tokenCount
    if let held = setup.held {
      let shares = setup.virtual.divide(Array(held.pairs.indices), costs: held.pairs.costs)
      let found = try heldScores?.scores(for: setup.virtual.byRank(shares)) ?? [:]
      self.held = shares[setup.virtual.own].map { rows in
        (held.pairs.selecting(rows), rows.compactMap { found[$0] })
      }
    } else {
      self.held = nil
    }
  }

  /// Collective: runs until the last step, or until somebody asks to stop; then a checkpoint is there.
  ///
  /// - Parameter entering: called with the number of each step, from 1, as it begins.
  mutating func run(
    status: inout RunStatus, checkpoints: RunCheckpoints, entering: (Int) -> Void
  ) throws -> StopReason? {
    let configuration = setup.configuration
    let total = plan.stepCount
    let records = try RunRecords(
      layout, resumedStep: step, writesMetrics: communicator.rank == 0, writesStatus: group.leads)
    var skipped = SkippedSteps(
      layout, resumedStep: step, maximum: configuration.maxSkippedSteps, speaks: communicator.rank == 0)
    var progress = Progress("training", total: max(total, 1), from: step, isSpeaking: communicator.rank == 0)
    var window = Window(timeline)
    status.state = .training
    defer { checkpoints.settle() }
    if step == 0, configuration.evalSteps != nil { try evaluate(records, checkpoints) }
    while step < total {
      entering(step + 1)
      timeline.begin(step: step + 1)
      trainer.beginDrill(step: step + 1)
      let stopwatch = Stopwatch()
      let (report, batch) = try takeStep()
      step += 1
      try skipped.record(report, step: step, rows: batch.map { pairs.counts(at: $0).row }, guarding: trainer.stepGuard)
      tokenCount += report.metrics.tokenCount
      window.add(report, seconds: stopwatch.seconds)
      if step % configuration.loggingSteps == 0 || step == total {
        let line = try window.line(
          step: step, epoch: plan.epochs(afterSteps: step), tokenCount: tokenCount, timeline: timeline,
          productRate: productRate, communicator: communicator, skipped: trainer.stepGuard.skippedCount)
        try records.append(line)
        window = Window(timeline)
        status.step = step
        status.epoch = plan.epochs(afterSteps: step)
        try records.write(&status)
        progress.update(step, details: Self.details(line))
      } else {
        progress.update(step, isLogged: false)
      }
      if let every = configuration.evalSteps, step % every == 0 || step == total {
        try evaluate(records, checkpoints)
      }
      let (reason, isBusy) = try vote(checkpoints)
      if !isBusy { try checkpoints.finish() }
      if let reason, step < total {
        progress.finish()
        try checkWeights()
        try checkpoints.saveForStop(step: step, tokenCount: tokenCount)
        return reason
      }
      if let every = configuration.saveSteps, step % every == 0 {
        try checkWeights()
        try records.settle()
        try checkpoints.save(step: step, tokenCount: tokenCount, isLast: step == total)
      }
      if status.message != checkpoints.warning {
        status.message = checkpoints.warning
        try records.write(&status)
      }
    }
    progress.finish()
    try checkpoints.finish()
    try communicator.agree { try records.flush() }
    try checkWeights()
    return nil
  }

  /// Collective: before weights are written, whoever writes them.
  private func checkWeights() throws {
    if setup.configuration.checkWeightsSteps > 0 { try trainer.checkWeights() }
  }

  private mutating func takeStep() throws -> (report: Trainer.StepReport, batch: [Int]) {
    let batch = plan.batch(ofStep: step)
    let shares = divide(batch)[setup.virtual.own]
    let rows = shares.flatMap(\.self)
    let known = try scoresOfStep()
    // Reading may fail on one rank alone, and would leave the others waiting in the step.
    let own = try communicator.agree { try pairs.pairs(at: rows) }
    let every = setup.configuration.checkWeightsSteps
    let report = try trainer.step(
      own, scores: rows.compactMap { known[$0] }, counts: shares.map(\.count), globalCount: batch.count,
      batch: BatchIdentity(step: step + 1, rows: batch), checkingWeights: every > 0 && (step + 1) % every == 0)
    return (report, batch)
  }

  /// Rows of every share.
  private func divide(_ batch: [Int]) -> [[Int]] {
    setup.virtual.divide(batch, costs: batch.map { pairs.counts(at: $0).tokens })
  }

  /// Scores of the rows that this rank trains on now, exchanged by all ranks every ``exchangedSteps`` steps.
  private mutating func scoresOfStep() throws -> [Int: RowScores] {
    guard let scores else { return [:] }
    if let stepScores, stepScores.steps.contains(step) { return stepScores.rows }
    // Let go before others take their place.
    stepScores = nil
    let epochEnd = (plan.position(ofStep: step).epoch + 1) * plan.stepsPerEpoch
    let steps = step..<min(step + Self.exchangedSteps, epochEnd, plan.stepCount)
    var consumers = [[Int]](repeating: [], count: communicator.size)
    for step in steps {
      for (rank, rows) in setup.virtual.byRank(divide(plan.batch(ofStep: step))).enumerated() {
        consumers[rank] += rows
      }
    }
    let rows = try scores.scores(for: consumers)
    stepScores = (steps, rows)
    return rows
  }

  private func evaluate(_ records: RunRecords, _ checkpoints: RunCheckpoints) throws {
    guard let held else { return }
    let metrics = try trainer.evaluate(held)
    var line = MetricsLine(step: step, epoch: plan.epochs(afterSteps: step), isEvaluation: true)
    metrics.fill(&line)
    checkpoints.evaluated(step: step, line)
    guard communicator.rank == 0 else { return }
    try records.append(line)
    Console.note("evaluation after step \(step): \(Self.details(line))")
  }

  /// Collective: the most urgent reason to stop that any rank has, and whether any still writes its part of a checkpoint.
  private func vote(_ checkpoints: RunCheckpoints) throws -> (reason: StopReason?, isBusy: Bool) {
    var reason = Int64(stop.reason?.rawValue ?? 0)
    if reason == 0, group.leads, FileSystem.kind(of: layout.stop) != nil { reason = Int64(StopReason.file.rawValue) }
    var votes = [reason, checkpoints.isBusy ? 1 : 0]
    try communicator.maximum(&votes)
    return (StopReason(rawValue: Int(votes[0])), votes[1] > 0)
  }

  private static func details(_ line: MetricsLine) -> String {
    func part(_ name: String, _ metric: Metric, _ decimals: Int = 4) -> String? {
      line[metric].map { "\(name) \(NumberFormat.fixed($0, decimals: decimals))" }
    }
    return [
      part("loss", .loss), part("rewards/accuracies", .rewardsAccuracies, 3),
      part("logps/accuracies", .logpsAccuracies, 3),
      part("margin", .rewardsMargins), part("grad_norm", .gradNorm, 3),
      line[.learningRate].map { "lr \(NumberFormat.significant($0, digits: 3))" },
      part("tokens/s", .tokensPerSecond, 0),
    ].compactMap { $0 }.joined(separator: "  ")
  }
}

/// What is averaged between two lines of metrics.
private struct Window {
  private var metrics: PreferenceMetrics?
  private var gradientNorm = 0.0
  private var learningRate = 0.0
  private var seconds = 0.0
  private var steps = 0
  /// Of them, those that were taken.
  private var taken = 0
  /// What the timeline held when the window began.
  private let passes, communication, operations: Double

  init(_ timeline: StepTimeline) {
    passes = Self.passes(timeline)
    communication = timeline.seconds(.communication)
    operations = timeline.operations
  }

  private static func passes(_ timeline: StepTimeline) -> Double {
    timeline.seconds(.forward) + timeline.seconds(.backward)
  }

  mutating func add(_ report: Trainer.StepReport, seconds: Double) {
    // What a skipped step says of the model may not even be a number.
    if report.skipped == nil {
      if metrics == nil { metrics = report.metrics } else { metrics! += report.metrics }
      gradientNorm += report.gradientNorm
      taken += 1
    }
    learningRate = report.learningRate
    self.seconds += seconds
    steps += 1
  }

  /// Collective: what ranks spent is put together.
  func line(
    step: Int, epoch: Double, tokenCount: Int, timeline: StepTimeline, productRate: Double, communicator: Communicator,
    skipped: Int
  ) throws -> MetricsLine {
    var line = MetricsLine(step: step, epoch: epoch)
    metrics?.fill(&line)
    line[.learningRate] = learningRate
    if taken > 0 { line[.gradNorm] = gradientNorm / Double(taken) }
    line[.skippedSteps] = Double(skipped)
    line[.numTokens] = Double(tokenCount)
    line[.tokensPerSecond] = Double(metrics?.tokenCount ?? 0) / max(seconds, 1e-9)
    line[.stepSeconds] = seconds / Double(max(steps, 1))
    line[.peakMemory] = ProcessMemory.peakBytes.map(Double.init)
    let own = Self.passes(timeline) - passes
    var slowest = Int64((own * 1e9).rounded(.up))
    try communicator.maximum(&slowest)
    var sums = [own, timeline.seconds(.communication) - communication, timeline.operations - operations, productRate]
    try communicator.sum(&sums)
    let ranks = Double(communicator.size)
    line[.mfu] = sums[2] / max(seconds * sums[3], 1e-9)
    line[.imbalance] = Double(slowest) / 1e9 / max(sums[0] / ranks, 1e-9)
    line[.exposedCommunication] = sums[1] / ranks / max(seconds, 1e-9)
    return line
  }
}
