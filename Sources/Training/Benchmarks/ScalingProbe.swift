import Collectives
import Compute
import Configuration
import Evaluation
import ModelDescription
import OrderedJSON
import PreferenceData
import Reporting
import RunFolder
import Transformer

/// What the parts of an optimizer step take on the ranks that run it, and what other numbers of ranks would have to do:
/// the figures that `treg-launch plan` predicts layouts from.
///
/// All ranks work at the same time, so that what they take from each other, memory's bandwidth above all, is in the figures.
package struct ScalingProbe {
  /// What the slowest of so many ranks has to do in a step.
  package struct Load: Sendable {
    package let ranks: Int
    /// Pairs of a global batch.
    package let batch: Int
    /// Operations of forward and backward passes, of the rank that has most and of all on average.
    package let slowest, mean: Double
    /// Operations of the slowest rank's last micro-batch.
    package let last: Double
    /// Tokens of both conversations, the prompt counted in each.
    package let tokens: Double
  }

  package struct Report: Sendable {
    package let ranks, threads: Int
    /// Elements of what trains.
    package let elements: Int
    /// Of a rank's passes, per operation; the slowest rank's.
    package let passSeconds: Double
    /// The share of them that is the forward pass's.
    package let forwardShare: Double
    /// Per element of the own shard: norm of the gradient, and AdamW. Per element of all: clearing the gradient.
    package let optimizerSeconds, clearSeconds: Double
    /// Per element of what trains: the gradient's sum, the weights' gathering.
    package let reduceSeconds, gatherSeconds: Double
    package let loads: [Load]

    package var json: JSONValue {
      [
        "ranks": .integer(ranks), "threads": .integer(threads), "elements": .integer(elements),
        "pass_seconds": .number(passSeconds), "forward_share": .number(forwardShare),
        "optimizer_seconds": .number(optimizerSeconds), "clear_seconds": .number(clearSeconds),
        "reduce_seconds": .number(reduceSeconds), "gather_seconds": .number(gatherSeconds),
        "loads": .array(
          loads.map { load in
            [
              "ranks": .integer(load.ranks), "batch": .integer(load.batch), "slowest": .number(load.slowest),
              "mean": .number(load.mean), "last": .number(load.last), "tokens": .number(load.tokens),
            ]
          }),
      ]
    }
  }

  private let setup: TrainingSetup
  private let rankCounts: [Int]

  /// Batches over which a load is averaged.
  private static let batchCount = 8

  /// Collective: reads and checks everything.
  ///
  /// - Parameter rankCounts: numbers of ranks whose loads are told, for the configuration's global batch and for as many pairs a
  ///   rank as it has here.
  package init(
    _ configuration: RunConfiguration, rankCounts: [Int], communicator: Communicator, environment: [String: String]
  ) throws {
    setup = try TrainingSetup(configuration, communicator: communicator, environment: environment)
    self.rankCounts = rankCounts
  }

  /// Collective: loads the model and measures.
  package func run() throws -> Report {
    let communicator = setup.communicator
    let workers = Workers(threads: setup.threads)
    var frozen: Transformer? = try communicator.agree { try setup.loadStart(workers: workers) }
    let (policy, reference) = try setup.policy(from: &frozen)
    let trainer = try setup.trainer(of: policy, reference: reference)
    let elements = policy.trained.bufferCount

    let batch = try communicator.agree { PackedBatch(pairs: try ownPairs(), for: policy.description) }
    let coefficients = [Float](repeating: 1e-3, count: batch.targetCount)
    var forward = 0.0
    let passes = try time {
      let stopwatch = Stopwatch()
      _ = policy.forward(batch, forBackward: true)
      forward = stopwatch.seconds
      policy.backward(batch, coefficients: coefficients, gradients: trainer.gradients)
    }
    let operations = policy.operations(of: batch, backward: true)
    var forwardShare = forward / max(passes.own, 1e-9)
    try communicator.sum(&forwardShare)
    var perOperation = passes.own / operations
    try communicator.maximum(&perOperation)

    let clear = try time { trainer.gradients.clear() }
    let shard = max(trainer.optimizer.mean.count, 1)
    let optimizer = try time {
      _ = try trainer.gradientNorm()
      trainer.optimizer.update(
        parameters: trainer.masters.stepped, areCompact: trainer.masters.areCompact, gradients: trainer.gradients,
        gradientScale: 0, learningRate: 0)
    }
    let reduce = try time { try trainer.sumOverRanks() }
    let gather = try time {
      try trainer.masters.publish()
      try trainer.masters.settle()
    }
    return Report(
      ranks: communicator.size, threads: setup.threads, elements: elements, passSeconds: perOperation,
      forwardShare: forwardShare / Double(communicator.size),
      optimizerSeconds: optimizer.slowest / Double(shard), clearSeconds: clear.slowest / Double(elements),
      reduceSeconds: reduce.slowest / Double(elements), gatherSeconds: gather.slowest / Double(elements),
      loads: try loads(of: policy))
  }

  /// Collective: what a part takes on this rank and on the slowest, the second time: the first meets fresh memory.
  private func time(_ body: () throws -> Void) throws -> (own: Double, slowest: Double) {
    var own = 0.0
    for _ in 0..<2 {
      try setup.communicator.barrier()
      let stopwatch = Stopwatch()
      try body()
      own = stopwatch.seconds
    }
    var slowest = own
    try setup.communicator.maximum(&slowest)
    return (own, slowest)
  }

  /// Pairs that fill one micro-batch; other ones on every rank, where there are enough.
  private func ownPairs() throws -> [TokenizedPair] {
    let pairs = setup.train.pairs
    var (found, tokens): ([TokenizedPair], Int) = ([], 0)
    for index in pairs.indices {
      let place = (setup.communicator.rank + index * setup.communicator.size) % pairs.count
      let count = pairs.counts(at: place).tokens
      guard found.isEmpty || tokens + count <= setup.microBatchTokens else { break }
      found.append(try pairs.pair(at: place))
      tokens += count
    }
    return found
  }

  // MARK: Loads

  private func loads(of model: Transformer) throws -> [Load] {
    let size = setup.configuration.globalBatchSize
    // As many pairs a rank as this run has, rounded up.
    let each = max(1, (size + setup.communicator.size - 1) / setup.communicator.size)
    return try rankCounts.flatMap { ranks in
      let sizes = ranks * each == size ? [size] : [size, ranks * each]
      return try sizes.map { try load(ranks: ranks, batch: $0, of: model) }
    }
  }

  /// The load of batches of this many pairs, as the plan of the run would take them.
  private func load(ranks: Int, batch size: Int, of model: Transformer) throws -> Load {
    let pairs = setup.train.pairs
    let factor: Double = model.adapter == nil ? 3 : 2
    var plan = try EpochPlan(
      rowCount: pairs.count, globalBatchSize: size, seed: setup.configuration.seed, length: .steps(Self.batchCount))
    var (slowest, mean, last, tokens) = (0.0, 0.0, 0.0, 0.0)
    let steps = min(Self.batchCount, max(1, pairs.count / size))
    for step in 0..<steps {
      // Fewer rows than a batch has: they count several times.
      let taken = plan.batch(ofStep: step)
      let batch = (0..<size).map { taken[$0 % taken.count] }
      let costs = batch.map { pairs.counts(at: $0).tokens }
      var heaviest = (operations: 0.0, last: 0.0)
      for rows in Division.divide(Array(batch.indices), costs: costs, ranks: ranks) {
        var (own, part) = (0.0, 0.0)
        for microBatch in Division.microBatches(
          rows, costs: rows.map { costs[$0] }, maxTokens: setup.microBatchTokens)
        {
          part = microBatch.reduce(0) {
            $0 + Self.operations(of: pairs.counts(at: batch[$1]), model.description) * factor
          }
          own += part
        }
        mean += own / Double(ranks)
        if own > heaviest.operations { heaviest = (own, part) }
      }
      slowest += heaviest.operations
      last += heaviest.last
      tokens += Double(batch.reduce(0) { $0 + pairs.counts(at: $1).conversationTokens })
    }
    let count = Double(steps)
    return Load(
      ranks: ranks, batch: size, slowest: slowest / count, mean: mean / count, last: last / count,
      tokens: tokens / count)
  }

  /// Of a forward pass over one pair's tree: prompt, and both responses behind it.
  private static func operations(of counts: PairCounts, _ model: ModelDescription) -> Double {
    let prompt = Double(counts.prompt)
    let attended = [Double(counts.chosen), Double(counts.rejected)].reduce(prompt * (prompt + 1) / 2) { sum, count in
      sum + count * (prompt + (count + 1) / 2)
    }
    return model.operations(tokens: counts.tokens, attended: attended, targets: counts.scored)
  }
}
