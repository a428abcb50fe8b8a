import Collectives
import Compute
import Configuration
import ModelDescription
import OrderedJSON
import PreferenceData
import Reporting
import RunFolder
import Transformer

/// Times optimizer steps over the first rows of the data, the frozen model's pass over them included.
///
/// Start-up is not counted: reading, tokenising, loading weights; nor is a warm-up, if one is asked for. Every repeat goes on
/// with the weights of the one before.
package struct StepBenchmark {
  /// What one repeat took.
  package struct Measurement: Sendable {
    package var referenceSeconds = 0.0
    package var trainSeconds = 0.0
    package var firstLoss = 0.0
    package var lastLoss = 0.0
    /// What summing the gradient between ranks took beyond the backward pass, on the rank that waited least in each step,
    /// and what the pass stood still for it.
    package var exchangeSeconds = 0.0
    package var servedSeconds = 0.0
    /// That passes stood still for stepped weights, or that their gathering took where it is not overlapped.
    package var gatherSeconds = 0.0

    package var seconds: Double { referenceSeconds + trainSeconds }
  }

  /// The measurement with the median time, and what was measured.
  package struct Report: Sendable {
    package let median: Measurement
    /// All of them, as they came.
    package let all: [Measurement]
    package let repeats: Int
    package let rows: Int
    /// Rows of steps before the first repeat, which are not measured.
    package let warmupRows: Int
    package let globalBatchSize: Int
    package let steps: Int
    package let loss: String
    package let ranks: Int
    /// Threads of one rank.
    package let threads: Int
    /// Tokens of both conversations of every pair, the prompt counted in each, as trainers that do not share it count.
    package let tokens: Int
    /// Tokens that training puts through the model, where both conversations share the prompt.
    package let sharedTokens: Int
    /// The most that any rank ever held, in bytes; nil where the system does not say.
    package let peakMemory: Int?
    /// What the training passes' matrix products alone take by the BLAS; nil where that was not asked for.
    package let productSeconds: Double?
    /// What guards and watchdog take; nil where that was not asked for.
    package let guards: GuardCosts?

    package var tokensPerSecond: Double { Double(tokens) / max(median.seconds, 1e-9) }

    package var json: JSONValue {
      [
        "program": "treg", "loss_type": .string(loss), "rows": .integer(rows),
        "warmup_rows": .integer(warmupRows), "batch_size": .integer(globalBatchSize),
        "steps": .integer(steps), "repeats": .integer(repeats), "ranks": .integer(ranks), "threads": .integer(threads),
        "tokens": .integer(tokens), "shared_tokens": .integer(sharedTokens), "seconds": .number(median.seconds),
        "tokens_per_second": .number(tokensPerSecond), "reference_seconds": .number(median.referenceSeconds),
        "train_seconds": .number(median.trainSeconds), "first_loss": .number(median.firstLoss),
        "last_loss": .number(median.lastLoss),
        "seconds_of_repeats": .array(all.map { .number($0.seconds) }),
        "exchange_seconds_of_repeats": .array(all.map { .number($0.exchangeSeconds) }),
        "served_seconds_of_repeats": .array(all.map { .number($0.servedSeconds) }),
        "gather_seconds_of_repeats": .array(all.map { .number($0.gatherSeconds) }),
        "peak_memory": peakMemory.map { .integer($0) } ?? .null,
        "product_seconds": productSeconds.map { .number($0) } ?? .null,
        "guards": guards?.json ?? .null,
      ]
    }

    /// For people.
    package var text: String {
      var table = Table([("", .left), ("", .right)])
      table.append(["rows × repeats", "\(rows) × \(repeats)"])
      table.append(["ranks × threads", "\(ranks) × \(threads)"])
      table.append(["tokens, prompts twice", NumberFormat.count(tokens)])
      table.append(["tokens, prompts shared", NumberFormat.count(sharedTokens)])
      table.append(["seconds", NumberFormat.fixed(median.seconds, decimals: 2)])
      table.append(["of these the frozen model", NumberFormat.fixed(median.referenceSeconds, decimals: 2)])
      if ranks > 1 {
        table.append([
          "gradients between ranks, after the pass", NumberFormat.fixed(median.exchangeSeconds, decimals: 2),
        ])
      }
      table.append(["tokens/s", NumberFormat.fixed(tokensPerSecond, decimals: 1)])
      if let productSeconds {
        table.append(["training's products alone, by the BLAS", NumberFormat.fixed(productSeconds, decimals: 2)])
        table.append(["training against them", NumberFormat.fixed(median.trainSeconds / productSeconds, decimals: 3)])
      }
      for line in guards?.lines ?? [] { table.append(line) }
      if let peakMemory { table.append(["peak memory of a rank", NumberFormat.bytes(peakMemory)]) }
      return table.text
    }
  }

  private let setup: TrainingSetup
  private let pairs: PairList
  private let warmup: PairList
  private let repeats: Int
  private let replaysProducts: Bool
  private let timesGuards: Bool

  /// Collective: reads and checks everything.
  ///
  /// - Parameters:
  ///   - rows: how many rows of the data to train on, from the first.
  ///   - warmupRows: how many of these to train on before, in steps that are not measured: memory is touched for the first
  ///     time in the first step, which long training does not notice.
  ///   - replaysProducts: times the products of this rank's training passes on their own, too.
  ///   - timesGuards: and what guards and watchdog take.
  package init(
    _ configuration: RunConfiguration, rows: Int, warmupRows: Int = 0, repeats: Int, replaysProducts: Bool = false,
    timesGuards: Bool = false, communicator: Communicator, environment: [String: String]
  ) throws {
    guard configuration.rewards == nil else {
      throw TregError.usage(
        "--rewards: bench step times the frozen model's pass too; treg train --rewards tells perf/step_seconds")
    }
    setup = try TrainingSetup(configuration, communicator: communicator, environment: environment)
    let found = setup.train.pairs.count
    guard rows <= found else {
      throw TregError(
        .usage, "--rows \(rows): \(configuration.data.joined(separator: ", ")) has \(found) rows", isOnAllRanks: true)
    }
    pairs = setup.train.pairs.selecting(Array(0..<rows))
    warmup = setup.train.pairs.selecting(Array(0..<min(warmupRows, rows)))
    self.repeats = repeats
    self.replaysProducts = replaysProducts
    self.timesGuards = timesGuards
  }

  /// Collective: loads the model and measures.
  package func run() throws -> Report {
    let workers = Workers(threads: setup.threads)
    let communicator = setup.communicator
    let size = setup.configuration.globalBatchSize
    let batches = self.batches(of: pairs)
    let warmupBatches = self.batches(of: warmup)
    let model = try communicator.agree { try setup.loadReference(workers: workers) }
    var frozen: Transformer? = model
    let (policy, reference) = try setup.policy(from: &frozen)
    let trainer = try setup.trainer(
      of: policy, reference: reference, totalSteps: warmupBatches.count + repeats * batches.count)
    var measurements: [Measurement] = []
    if !warmupBatches.isEmpty { _ = try measure(warmup, warmupBatches, model: model, trainer: trainer) }
    let beats = Pulse.beats
    for _ in 0..<repeats { measurements.append(try measure(pairs, batches, model: model, trainer: trainer)) }
    try trainer.masters.settle()
    let beatsPerStep = Double(Pulse.beats - beats) / Double(repeats * batches.count)
    let productSeconds = try replaysProducts ? replay(batches, of: policy.description, workers: workers) : nil
    let ordered = measurements.sorted { $0.seconds < $1.seconds }
    let median = ordered[(repeats - 1) / 2]
    let guards =
      try timesGuards
      ? GuardCosts(
        trainer, communicator: communicator, rows: batches[0], hashInterval: setup.configuration.checkWeightsSteps,
        beatsPerStep: beatsPerStep, stepSeconds: median.trainSeconds / Double(batches.count)) : nil
    var peak = Int64(ProcessMemory.peakBytes ?? 0)
    try communicator.maximum(&peak)
    return Report(
      median: median, all: measurements, repeats: repeats, rows: pairs.count, warmupRows: warmup.count,
      globalBatchSize: size, steps: batches.count, loss: setup.objective.name, ranks: communicator.size,
      threads: setup.threads,
      tokens: pairs.allCounts.reduce(0) { $0 + $1.conversationTokens },
      sharedTokens: pairs.allCounts.reduce(0) { $0 + $1.tokens },
      peakMemory: peak > 0 ? Int(peak) : nil, productSeconds: productSeconds, guards: guards)
  }

  /// Collective: seconds of the slowest rank's products.
  private func replay(_ batches: [[Int]], of model: ModelDescription, workers: Workers) throws -> Double {
    var replay = ProductReplay()
    for rows in divide(batches).flatMap({ $0[setup.virtual.own] }) {
      let own = try setup.communicator.agree { try pairs.pairs(at: rows) }
      for batch in Division.microBatches(
        Array(own.indices), costs: own.map(\.tokenCount), maxTokens: setup.microBatchTokens)
      {
        replay.add(PackedBatch(pairs: batch.map { own[$0] }, for: model), of: model, backward: true)
      }
    }
    let stopwatch = Stopwatch()
    var nanoseconds = Int64(replay.seconds(workers: workers, clock: { stopwatch.seconds }) * 1e9)
    try setup.communicator.maximum(&nanoseconds)
    return Double(nanoseconds) / 1e9
  }

  /// Rows of every step.
  private func batches(of pairs: PairList) -> [[Int]] {
    let size = setup.configuration.globalBatchSize
    return stride(from: 0, to: pairs.count, by: size).map { Array($0..<min($0 + size, pairs.count)) }
  }

  /// Rows of every step and share.
  private func divide(_ batches: [[Int]]) -> [[[Int]]] {
    batches.map { batch in setup.virtual.divide(batch, costs: batch.map { pairs.counts(at: $0).tokens }) }
  }

  private func measure(_ pairs: PairList, _ batches: [[Int]], model: Transformer, trainer: Trainer) throws
    -> Measurement
  {
    let communicator = setup.communicator
    let divisions = divide(batches)
    let byRank = divisions.map(setup.virtual.byRank)
    let consumers = (0..<communicator.size).map { rank in byRank.flatMap { $0[rank] } }
    var measurement = Measurement()
    try communicator.barrier()
    let reference = Stopwatch()
    let scores = try setup.frozenScores(of: pairs, model: model, consumers: consumers)
    try communicator.barrier()
    measurement.referenceSeconds = reference.seconds
    let training = Stopwatch()
    var waits: [Double] = []
    let served = trainer.summing.servedSeconds
    // Of the repeat before: the last step's weights arrive in the next repeat's first pass.
    let gathered = trainer.masters.waitedSeconds
    for (index, division) in divisions.enumerated() {
      let shares = division[setup.virtual.own]
      let own = shares.flatMap(\.self)
      let waited = trainer.summing.waitedSeconds
      let report = try trainer.step(
        communicator.agree { try pairs.pairs(at: own) }, scores: own.compactMap { scores[$0] },
        counts: shares.map(\.count), globalCount: batches[index].count)
      waits.append(trainer.summing.waitedSeconds - waited)
      if index == 0 { measurement.firstLoss = report.metrics.loss }
      measurement.lastLoss = report.metrics.loss
    }
    try communicator.barrier()
    measurement.trainSeconds = training.seconds
    // Who comes last to a step's sum waits for data alone.
    try communicator.minimum(&waits)
    measurement.exchangeSeconds = waits.reduce(0, +)
    measurement.servedSeconds = trainer.summing.servedSeconds - served
    try communicator.maximum(&measurement.servedSeconds)
    measurement.gatherSeconds = trainer.masters.waitedSeconds - gathered
    try communicator.maximum(&measurement.gatherSeconds)
    return measurement
  }
}
