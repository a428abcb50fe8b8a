import Collectives
import Compute
import Evaluation
import Objectives
import OrderedJSON
import PreferenceData
import RunFolder
import Scoring
import Transformer
import Watch

/// Optimizer steps and evaluations of one model on preference pairs, the same on every rank but for its share of rows.
///
/// The loss of a step is the mean over the pairs of its global batch: a sum over ranks divided by a count that all know.
package final class Trainer {
  /// How summed gradients reach the optimizer.
  package enum Exchange {
    /// Every rank receives the sum of its shard, steps it, and the parameters are gathered.
    case reduceScatter
    /// Every rank receives the whole sum and steps all parameters.
    case allReduce
  }

  /// What a step reports beside its pairs' metrics.
  package struct StepReport {
    package var metrics: PreferenceMetrics
    /// 2-norm of the whole gradient before clipping.
    package var gradientNorm: Double
    package var learningRate: Double
    /// Why nothing was changed; nil: the step was taken.
    package var skipped: StepGuard.Reason?
    /// The gradient was not finite at first, and was computed a second time.
    package var isRepeated = false
  }

  package let model: Transformer
  package let optimizer: AdamW
  package let masters: MasterWeights
  /// Who holds what of the optimizer's state.
  package let division: StateDivision
  /// Who writes what of it where all ranks see one folder: also where every rank holds all of it, each writes a part.
  package let writtenDivision: StateDivision
  private let reference: Transformer?
  private let objective: any Objective
  private let control: TokenRewardControl
  private let communicator: Communicator
  private let virtual: VirtualRanks
  private let exchange: Exchange
  let summing: GradientExchange
  private let schedule: LearningRateSchedule
  private let maximumNorm: Double
  private let timeline: StepTimeline
  private let microBatchTokens: Int
  /// Laid out as the weights that train; what ``computeGradient(_:scores:counts:globalCount:)`` left.
  let gradients: FloatBuffer
  private let tree: GradientTree
  private let norm: GradientNorm
  private let weightCheck: WeightCheck
  package private(set) var stepGuard: StepGuard
  /// Faults that this run is told to have.
  package var drill: DrillCourse?

  /// Collective: the weights that train in fp32. Where the model holds them rounded, the gradient's room takes them.
  package func trainedValues() throws -> FloatBuffer { try masters.all(in: gradients) }

  /// - Parameters:
  ///   - reference: the frozen model; needed where the objective needs its vocabulary.
  ///   - control: what is done to token rewards before the objective sees them.
  ///   - virtual: the shares of a batch; nil: one for each rank.
  ///   - wire: how summands travel between hosts.
  ///   - overlapsExchange: whether gradients leave while the last backward pass of a step goes on, and stepped weights arrive
  ///     during the next forward pass; the same bits either way.
  ///   - layout: how the flat gradient is cut into buckets; nil: as is best.
  ///   - timeline: is told what the parts of a step take.
  package init(
    model: Transformer, reference: Transformer? = nil, objective: any Objective,
    control: TokenRewardControl = TokenRewardControl(.none), communicator: Communicator,
    virtual: VirtualRanks? = nil, exchange: Exchange,
    wire: WireFormat = .float32, overlapsExchange: Bool = true, layout: BucketLayout? = nil,
    schedule: LearningRateSchedule, adamW: AdamW.Options, maximumNorm: Double, guarding: StepGuard.Options = .init(),
    microBatchTokens: Int, timeline: StepTimeline = StepTimeline()
  ) throws {
    precondition(!objective.needs.referenceVocabulary || reference != nil, "\(objective.name) needs the reference")
    self.model = model
    self.reference = reference
    self.objective = objective
    self.control = control
    self.communicator = communicator
    let virtual = virtual ?? VirtualRanks(communicator)
    self.virtual = virtual
    self.exchange = exchange
    self.schedule = schedule
    self.maximumNorm = maximumNorm
    self.microBatchTokens = microBatchTokens
    self.timeline = timeline
    let count = model.trained.bufferCount
    let layout =
      layout
      ?? BucketLayout(
        count: count, ranks: communicator.size, shares: virtual.count,
        cuts: model.lookupRange.map { [$0.lowerBound] } ?? [])
    precondition(layout.count == count && layout.ranks == communicator.size, "buckets of \(layout.count) elements")
    precondition(layout.shares == virtual.count, "strips of \(layout.shares) shares")
    tree = GradientTree(shares: virtual.own.count, count: count, workers: model.workers)
    norm = GradientNorm(
      model.trained, parts: (0..<virtual.count).map { layout.ranges(ofShare: $0) }, workers: model.workers)
    let areDivided = if case .reduceScatter = exchange { true } else { false }
    writtenDivision = .buckets(layout)
    division = areDivided ? writtenDivision : .whole(count: count)
    gradients = FloatBuffer(count: count)
    summing = try GradientExchange(
      model, gradients: gradients, layout: layout, wire: wire, overlaps: overlapsExchange, communicator: communicator)
    masters = try MasterWeights(
      model, communicator: communicator, layout: layout, areDivided: areDivided, overlaps: overlapsExchange)
    optimizer = AdamW(
      model.trained, ranges: division.ranges(of: communicator.rank), options: adamW, workers: model.workers)
    stepGuard = StepGuard(guarding)
    weightCheck = WeightCheck(model, layout: layout, communicator: communicator)
    let parameters = model.trained.parameters
    Watchdog.nameOffsets { offset in
      let bucket = layout.buckets.firstIndex { $0.contains(offset) }
      let name = WeightCheck.name(of: offset..<offset + 1, in: parameters)
      return bucket.map { "bucket \($0) (\(name))" } ?? "element \(offset)"
    }
  }

  var rank: Int { communicator.rank }

  /// Goes on from what a checkpoint kept of the guard.
  ///
  /// - Throws: 65 when it is not that.
  package func restoreGuard(_ value: JSONValue, place: String) throws {
    try stepGuard.restore(value, place: place)
    optimizer.skippedCount = stepGuard.skippedCount
  }

  /// Collective: refuses to go on when ranks hold different weights.
  ///
  /// - Throws: 76 on all ranks, naming one that differs.
  package func checkWeights() throws {
    try timeline.measure(.communication) {
      try masters.settle()
      try weightCheck.verify()
    }
  }

  /// Collective: one optimizer step, or, where the gradient is not finite or a spike, none: then no weight and no moment
  /// changes, and the schedule goes on.
  ///
  /// A gradient that is not finite is computed once more before that. When a fault of the moment was the reason, the step is
  /// the same to the bit as if nothing had been.
  ///
  /// - Parameters:
  ///   - pairs: this rank's rows of the global batch, share by share; may be empty.
  ///   - scores: what the frozen model says of each of them; empty when the objective needs nothing of it.
  ///   - counts: how many of them each of this rank's shares has; nil where it has one share.
  ///   - globalCount: pairs of the global batch over all ranks.
  ///   - batch: what all ranks have to agree on; nil: nothing.
  ///   - checkingWeights: ranks' weights are compared before they change.
  /// - Throws: 76 when ranks are at different steps, or hold different weights.
  package func step(
    _ pairs: [TokenizedPair], scores: [RowScores], counts: [Int]? = nil, globalCount: Int, batch: BatchIdentity? = nil,
    checkingWeights: Bool = false
  ) throws -> StepReport {
    func compute() throws -> (metrics: PreferenceMetrics, norm: Double, reason: StepGuard.Reason?) {
      let (metrics, norm) = try makeGradient(pairs, scores: scores, counts: counts, globalCount: globalCount)
      return (metrics, norm, try vote(metrics, norm, batch))
    }
    var result = try compute()
    let isRepeated = result.reason == .notFinite
    if isRepeated {
      // Weights that differ would explain it, and no second try would help.
      try checkWeights()
      result = try compute()
    }
    let rate = schedule.rate(at: optimizer.step)
    if let reason = result.reason {
      optimizer.skip()
      stepGuard.skip()
      return StepReport(
        metrics: result.metrics, gradientNorm: result.norm, learningRate: rate, skipped: reason, isRepeated: isRepeated)
    }
    if checkingWeights { try checkWeights() }
    stepGuard.accept(result.norm)
    // As torch.nn.utils.clip_grad_norm_.
    let clip = maximumNorm > 0 ? min(1, maximumNorm / (result.norm + 1e-6)) : 1
    timeline.measure(.optimizer) {
      optimizer.update(
        parameters: masters.stepped, areCompact: masters.areCompact, gradients: gradients, gradientScale: Float(clip),
        learningRate: rate)
    }
    try timeline.measure(.communication) { try masters.publish() }
    return StepReport(
      metrics: result.metrics, gradientNorm: result.norm, learningRate: rate, skipped: nil, isRepeated: isRepeated)
  }

  /// Collective: why the step may not be taken.
  private func vote(
    _ metrics: PreferenceMetrics, _ norm: Double, _ batch: BatchIdentity?
  ) throws -> StepGuard.Reason? {
    var reason: StepGuard.Reason?
    if !norm.isFinite || !metrics.loss.isFinite {
      reason = .notFinite
    } else if stepGuard.isSpike(norm) {
      reason = .spike
    } else if drill?.skips(step: optimizer.step + 1) == true {
      reason = .told
    }
    let batch = drill.map { $0.batch(batch) } ?? batch
    return try timeline.measure(.communication) { try StepVote.hold(reason, batch, communicator) }
  }

  /// Collective: leaves the gradient of a global batch's mean loss in ``gradients``, where what this rank owns is the sum
  /// over ranks, not clipped.
  ///
  /// - Parameters: as ``step(_:scores:counts:globalCount:batch:checkingWeights:)``.
  /// - Returns: metrics of the batch and the 2-norm of the whole gradient.
  /// - Throws: 79 when loss or gradient is not finite.
  func computeGradient(
    _ pairs: [TokenizedPair], scores: [RowScores], counts: [Int]? = nil, globalCount: Int
  ) throws -> (metrics: PreferenceMetrics, norm: Double) {
    let (metrics, norm) = try makeGradient(pairs, scores: scores, counts: counts, globalCount: globalCount)
    guard norm.isFinite, metrics.loss.isFinite else {
      throw TregError(
        .nonFinite, "\(metrics.loss.isFinite ? "the gradient" : "the loss") is not finite", isOnAllRanks: true)
    }
    return (metrics, norm)
  }

  private func makeGradient(
    _ pairs: [TokenizedPair], scores: [RowScores], counts: [Int]?, globalCount: Int
  ) throws -> (metrics: PreferenceMetrics, norm: Double) {
    let shares = Self.ranges(counts ?? [pairs.count])
    precondition(shares.count == virtual.own.count && shares.last?.upperBound == pairs.count, "rows of every share")
    var parts: [PreferenceMetrics] = []
    var spoils = drill?.spoilsGradient(step: optimizer.step + 1) ?? false
    try tree.sum(into: gradients, timeline: timeline) { share, buffer in
      parts.append(
        try addGradient(
          of: pairs[shares[share]], scores: scores.isEmpty ? [] : scores[shares[share]], globalCount: globalCount,
          to: buffer, isSpoilt: spoils))
      spoils = false
    }
    drill?.strike(step: optimizer.step + 1)
    try timeline.measure(.communication) { try sumOverRanks() }
    guard case .reduceScatter = exchange else {
      let metrics = try timeline.measure(.communication) { try PreferenceMetrics.combining(parts, by: virtual.sum) }
      return (metrics, try gradientNorm())
    }
    // The squares travel with the metrics: ranks meet once.
    let squares = timeline.measure(.optimizer) { norm.sums(of: gradients, shares: virtual.own) }
    var square = 0.0
    let metrics = try timeline.measure(.communication) {
      try PreferenceMetrics.combining(parts) { vectors in
        let sums = try virtual.sum(zip(vectors, squares).map { $0 + [$1] })
        square = sums.last!
        return Array(sums.dropLast())
      }
    }
    return (metrics, square.squareRoot())
  }

  /// Ranges of so many rows that follow each other.
  private static func ranges(_ counts: [Int]) -> [Range<Int>] {
    var end = 0
    return counts.map { count in
      defer { end += count }
      return end..<end + count
    }
  }

  /// Passes over rows in micro-batches, whose gradients are added to `gradients`.
  ///
  /// - Parameter isSpoilt: what is added is not finite.
  private func addGradient(
    of pairs: ArraySlice<TokenizedPair>, scores: ArraySlice<RowScores>, globalCount: Int, to gradients: FloatBuffer,
    isSpoilt: Bool
  ) throws -> PreferenceMetrics {
    var metrics = newMetrics
    if isSpoilt, pairs.isEmpty { gradients.pointer[0] = .nan }
    let batches = Division.microBatches(
      Array(pairs.indices), costs: pairs.map(\.tokenCount), maxTokens: microBatchTokens)
    for (number, batch) in batches.enumerated() {
      let waited = masters.waitedSeconds
      let (packed, statistics) = timeline.measure(.forward) { forward(batch.map { pairs[$0] }, forBackward: true) }
      timeline.move(masters.waitedSeconds - waited, from: .forward, to: .communication)
      var coefficients = TargetCoefficients(zerosFor: statistics)
      for (tree, index) in batch.enumerated() {
        let (chosen, rejected) = (packed.targets(tree: tree, sequence: 0), packed.targets(tree: tree, sequence: 1))
        let (outcome, pair, own) = evaluate(
          statistics[chosen], statistics[rejected], scores: scores.isEmpty ? nil : scores[index],
          scale: 1 / Double(globalCount))
        metrics.add(pair, outcome, tokens: pairs[index].conversationTokens)
        coefficients.set(chosen, own.chosen)
        coefficients.set(rejected, own.rejected)
      }
      if isSpoilt, number == 0 { coefficients.logProbs[0] = .nan }
      // Weights are there now; what this rank sends may not be through, and gradients come next.
      if number == batches.count - 1 { try timeline.measure(.communication) { try masters.settle() } }
      timeline.measure(.backward) {
        // Shares' gradients are summed before anything can leave.
        guard number == batches.count - 1, !virtual.isReproducible else {
          return model.backward(packed, coefficients: coefficients, gradients: gradients)
        }
        summing.during { lookups, finished in
          model.backward(
            packed, coefficients: coefficients, gradients: gradients, lookups: lookups, finished: finished)
        }
      }
      timeline.operations += model.operations(of: packed, backward: true)
    }
    return metrics
  }

  /// Collective: makes what this rank owns of ``gradients`` the sum over ranks.
  func sumOverRanks() throws {
    // A rank without rows has not waited for weights yet.
    try masters.settle()
    let layout = summing.layout
    if virtual.isReproducible {
      for bucket in layout.buckets.indices {
        try communicator.treeReduceScatter(gradients.all, shards: layout.strips(of: bucket))
      }
    } else {
      try summing.finish()
    }
    if case .allReduce = exchange { try communicator.allGather(gradients.all, layout: layout) }
  }

  /// Collective where ranks hold parts: the 2-norm of the whole gradient.
  func gradientNorm() throws -> Double {
    switch exchange {
    case .reduceScatter:
      let squares = timeline.measure(.optimizer) { norm.sums(of: gradients, shares: virtual.own) }
      return try timeline.measure(.communication) { try virtual.sum(squares.map { [$0] })[0].squareRoot() }
    case .allReduce:
      let squares = timeline.measure(.optimizer) { norm.sums(of: gradients, shares: 0..<virtual.count) }
      return VirtualRanks.treeSum(squares.map { [$0] }[...])[0].squareRoot()
    }
  }

  /// Collective: metrics of held-out pairs, without a gradient.
  ///
  /// - Parameter shares: the pairs and scores of each of this rank's shares.
  /// - Throws: 74 on all ranks when one of them cannot read its pairs any more.
  package func evaluate(_ shares: [(pairs: PairList, scores: [RowScores])]) throws -> PreferenceMetrics {
    let parts = try communicator.agree {
      try shares.map { pairs, scores in
        var metrics = newMetrics
        for batch in Division.microBatches(of: pairs, maxTokens: microBatchTokens) {
          let (packed, statistics) = forward(try pairs.pairs(at: batch), forBackward: false)
          for (tree, index) in batch.enumerated() {
            let (outcome, pair, _) = evaluate(
              statistics[packed.targets(tree: tree, sequence: 0)], statistics[packed.targets(tree: tree, sequence: 1)],
              scores: scores.isEmpty ? nil : scores[index], scale: 1)
            metrics.add(pair, outcome, tokens: pairs.counts(at: index).conversationTokens)
          }
        }
        return metrics
      }
    }
    return try PreferenceMetrics.combining(parts, by: virtual.sum)
  }

  private var newMetrics: PreferenceMetrics {
    PreferenceMetrics(hasTokenRewards: objective.needs.contains(.rewards), hasRewards: objective.hasRewards)
  }

  /// A micro-batch through the model, and through the reference where the objective needs its vocabulary.
  private func forward(_ pairs: [TokenizedPair], forBackward: Bool) -> (PackedBatch, TargetStatistics) {
    let packed = PackedBatch(pairs: pairs, for: model.description)
    let request = StatisticRequest(objective.needs)
    let beside = request.needsReference ? reference : nil
    let statistics = model.statistics(
      of: packed, request, reference: beside.map { ReferencePass($0, PackedBatch(pairs: pairs, for: $0.description)) },
      forBackward: forBackward)
    return (packed, statistics)
  }

  private func evaluate(
    _ chosen: ResponseStatistics, _ rejected: ResponseStatistics, scores: RowScores?, scale: Double
  ) -> (PairOutcome, PairStatistics, PairCoefficients) {
    func complete(_ response: ResponseStatistics, _ scores: ResponseScores?, row: Int, isChosen: Bool)
      -> ResponseStatistics
    {
      var response = response
      guard let scores else { return response }
      if objective.needs.contains(.reference) { response.reference = scores.reference }
      if objective.needs.contains(.rewards) {
        response.rewards = control.apply(scores.rewards, row: row, isChosen: isChosen)
        response.logRatios = control.apply(scores.logRatios, row: row, isChosen: isChosen)
      }
      return response
    }
    let row = scores?.row ?? 0
    let pair = PairStatistics(
      chosen: complete(chosen, scores?.chosen, row: row, isChosen: true),
      rejected: complete(rejected, scores?.rejected, row: row, isChosen: false))
    var coefficients = PairCoefficients(zerosFor: pair)
    let outcome = objective.evaluate(pair, scale: scale, into: &coefficients)
    return (outcome, pair, coefficients)
  }
}
