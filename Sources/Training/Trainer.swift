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
  private let exchange: Exchange
  let summing: GradientExchange
  private let schedule: LearningRateSchedule
  private let maximumNorm: Double
  private let timeline: StepTimeline
  private let microBatchTokens: Int
  /// Laid out as the weights that train; what ``computeGradient(_:scores:globalCount:)`` left.
  let gradients: FloatBuffer

  /// Collective: the weights that train in fp32. Where the model holds them rounded, the gradient's room takes them.
  package func trainedValues() throws -> FloatBuffer { try masters.all(in: gradients) }

  /// - Parameters:
  ///   - reference: the frozen model; needed where the objective needs its vocabulary.
  ///   - control: what is done to token rewards before the objective sees them.
  ///   - wire: how summands travel between hosts.
  ///   - overlapsExchange: whether gradients leave while the last backward pass of a step goes on; the same bits either way.
  ///   - layout: how the flat gradient is cut into buckets; nil: as is best.
  ///   - timeline: is told what the parts of a step take.
  package init(
    model: Transformer, reference: Transformer? = nil, objective: any Objective,
    control: TokenRewardControl = TokenRewardControl(.none), communicator: Communicator, exchange: Exchange,
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
    self.exchange = exchange
    self.schedule = schedule
    self.maximumNorm = maximumNorm
    self.microBatchTokens = microBatchTokens
    self.timeline = timeline
    let count = model.trained.bufferCount
    let layout =
      layout
      ?? BucketLayout(
        count: count, ranks: communicator.size, cuts: model.lookupRange.map { [$0.lowerBound] } ?? [])
    precondition(layout.count == count && layout.ranks == communicator.size, "buckets of \(layout.count) elements")
    let areDivided = if case .reduceScatter = exchange { true } else { false }
    division = areDivided ? .buckets(layout) : .whole(count: count)
    gradients = FloatBuffer(count: count)
    summing = try GradientExchange(
      model, gradients: gradients, layout: layout, wire: wire, overlaps: overlapsExchange, communicator: communicator)
    masters = MasterWeights(model, communicator: communicator, layout: layout, areDivided: areDivided)
    optimizer = AdamW(
      model.trained, ranges: division.ranges(of: communicator.rank), options: adamW, workers: model.workers)
  }

  /// Collective: one optimizer step.
  ///
  /// - Parameters:
  ///   - pairs: this rank's rows of the global batch; may be empty.
  ///   - scores: what the frozen model says of each of them; empty when the objective needs nothing of it.
  ///   - globalCount: pairs of the global batch over all ranks.
  /// - Throws: 79 when loss or gradient is not finite; nothing is updated then.
  package func step(_ pairs: [TokenizedPair], scores: [RowScores], globalCount: Int) throws -> StepReport {
    let (metrics, norm) = try computeGradient(pairs, scores: scores, globalCount: globalCount)
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
  /// - Parameters: as ``step(_:scores:globalCount:)``.
  /// - Returns: metrics of the batch and the 2-norm of the whole gradient.
  func computeGradient(
    _ pairs: [TokenizedPair], scores: [RowScores], globalCount: Int
  ) throws -> (metrics: PreferenceMetrics, norm: Double) {
    timeline.measure(.optimizer) { gradients.clear() }
    var metrics = newMetrics
    let batches = Division.microBatches(
      Array(pairs.indices), costs: pairs.map(\.tokenCount), maxTokens: microBatchTokens)
    for (number, batch) in batches.enumerated() {
      let (packed, statistics) = timeline.measure(.forward) { forward(batch.map { pairs[$0] }, forBackward: true) }
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
      timeline.measure(.backward) {
        guard number == batches.count - 1 else {
          return model.backward(packed, coefficients: coefficients, gradients: gradients)
        }
        summing.during { lookups, finished in
          model.backward(
            packed, coefficients: coefficients, gradients: gradients, lookups: lookups, finished: finished)
        }
      }
      timeline.operations += model.operations(of: packed, backward: true)
    }
    try timeline.measure(.communication) {
      try summing.finish()
      try metrics.combine(communicator)
      if case .allReduce = exchange { try communicator.allGather(gradients.all, layout: summing.layout) }
    }
    var square = timeline.measure(.optimizer) { optimizer.sumOfSquares(of: gradients) }
    if case .reduceScatter = exchange { try timeline.measure(.communication) { try communicator.sum(&square) } }
    let norm = square.squareRoot()
    guard norm.isFinite, metrics.loss.isFinite else {
      throw TregError(
        .nonFinite, at: "step \(optimizer.step + 1)",
        "\(metrics.loss.isFinite ? "the gradient" : "the loss") is not finite; no weight was changed",
        isOnAllRanks: true)
    }
    return (metrics, norm)
  }

  /// Collective: metrics of held-out pairs, without a gradient.
  ///
  /// - Throws: 74 on all ranks when one of them cannot read its pairs any more.
  package func evaluate(_ pairs: PairList, scores: [RowScores]) throws -> PreferenceMetrics {
    var metrics = try communicator.agree {
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
    try metrics.combine(communicator)
    return metrics
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
