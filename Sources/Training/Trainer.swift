import Collectives
import Compute
import Evaluation
import Objectives
import PreferenceData
import RunFolder
import Scoring
import Transformer

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
  }

  package let model: Transformer
  package let optimizer: AdamW
  package let masters: MasterWeights
  /// Who holds what of the optimizer's state.
  package let division: StateDivision
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
    schedule: LearningRateSchedule, adamW: AdamW.Options, maximumNorm: Double, microBatchTokens: Int,
    timeline: StepTimeline = StepTimeline()
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
    division = areDivided ? .buckets(layout) : .whole(count: count)
    gradients = FloatBuffer(count: count)
    summing = try GradientExchange(
      model, gradients: gradients, layout: layout, wire: wire, overlaps: overlapsExchange, communicator: communicator)
    masters = try MasterWeights(
      model, communicator: communicator, layout: layout, areDivided: areDivided, overlaps: overlapsExchange)
    optimizer = AdamW(
      model.trained, ranges: division.ranges(of: communicator.rank), options: adamW, workers: model.workers)
  }

  /// Collective: one optimizer step.
  ///
  /// - Parameters:
  ///   - pairs: this rank's rows of the global batch, share by share; may be empty.
  ///   - scores: what the frozen model says of each of them; empty when the objective needs nothing of it.
  ///   - counts: how many of them each of this rank's shares has; nil where it has one share.
  ///   - globalCount: pairs of the global batch over all ranks.
  /// - Throws: 79 when loss or gradient is not finite; nothing is updated then.
  package func step(
    _ pairs: [TokenizedPair], scores: [RowScores], counts: [Int]? = nil, globalCount: Int
  ) throws -> StepReport {
    let (metrics, norm) = try computeGradient(pairs, scores: scores, counts: counts, globalCount: globalCount)
    let rate = schedule.rate(at: optimizer.step)
    // As torch.nn.utils.clip_grad_norm_.
    let clip = maximumNorm > 0 ? min(1, maximumNorm / (norm + 1e-6)) : 1
    timeline.measure(.optimizer) {
      optimizer.update(
        parameters: masters.stepped, areCompact: masters.areCompact, gradients: gradients, gradientScale: Float(clip),
        learningRate: rate)
    }
    try timeline.measure(.communication) { try masters.publish() }
    return StepReport(metrics: metrics, gradientNorm: norm, learningRate: rate)
  }

  /// Collective: leaves the gradient of a global batch's mean loss in ``gradients``, where what this rank owns is the sum
  /// over ranks, not clipped.
  ///
  /// - Parameters: as ``step(_:scores:counts:globalCount:)``.
  /// - Returns: metrics of the batch and the 2-norm of the whole gradient.
  func computeGradient(
    _ pairs: [TokenizedPair], scores: [RowScores], counts: [Int]? = nil, globalCount: Int
  ) throws -> (metrics: PreferenceMetrics, norm: Double) {
    let shares = Self.ranges(counts ?? [pairs.count])
    precondition(shares.count == virtual.own.count && shares.last?.upperBound == pairs.count, "rows of every share")
    var parts: [PreferenceMetrics] = []
    try tree.sum(into: gradients, timeline: timeline) { share, buffer in
      parts.append(
        try addGradient(
          of: pairs[shares[share]], scores: scores.isEmpty ? [] : scores[shares[share]], globalCount: globalCount,
          to: buffer))
    }
    let metrics = try timeline.measure(.communication) {
      try sumOverRanks()
      return try PreferenceMetrics.combining(parts, by: virtual.sum)
    }
    let norm = try gradientNorm()
    guard norm.isFinite, metrics.loss.isFinite else {
      throw TregError(
        .nonFinite, at: "step \(optimizer.step + 1)",
        "\(metrics.loss.isFinite ? "the gradient" : "the loss") is not finite; no weight was changed",
        isOnAllRanks: true)
    }
    return (metrics, norm)
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
  private func addGradient(
    of pairs: ArraySlice<TokenizedPair>, scores: ArraySlice<RowScores>, globalCount: Int, to gradients: FloatBuffer
  ) throws -> PreferenceMetrics {
    var metrics = newMetrics
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
