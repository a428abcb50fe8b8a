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
  package let shards: [Range<Int>]
  private let objective: any Objective
  private let communicator: Communicator
  private let exchange: Exchange
  private let schedule: LearningRateSchedule
  private let maximumNorm: Double
  private let microBatchTokens: Int
  /// Laid out as the weights that train; what ``computeGradient(_:scores:globalCount:)`` left.
  let gradients: FloatBuffer

  package init(
    model: Transformer, objective: any Objective, communicator: Communicator, exchange: Exchange,
    schedule: LearningRateSchedule, adamW: AdamW.Options, maximumNorm: Double, microBatchTokens: Int
  ) {
    self.model = model
    self.objective = objective
    self.communicator = communicator
    self.exchange = exchange
    self.schedule = schedule
    self.maximumNorm = maximumNorm
    self.microBatchTokens = microBatchTokens
    let count = model.trained.bufferCount
    switch exchange {
    case .reduceScatter: shards = ShardLayout(count: count, ranks: communicator.size).shards
    // Every rank owns all; written to checkpoints once, as the first rank's.
    case .allReduce: shards = [Range<Int>](repeating: 0..<count, count: communicator.size)
    }
    gradients = FloatBuffer(count: count)
    optimizer = AdamW(
      model.trained, shard: shards[communicator.rank], options: adamW, workers: model.workers)
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
    optimizer.update(
      parameters: model.trainedValues, gradients: gradients, gradientScale: Float(clip), learningRate: rate)
    if case .reduceScatter = exchange { try communicator.allGather(model.trainedValues.all, shards: shards) }
    return StepReport(metrics: metrics, gradientNorm: norm, learningRate: rate)
  }

  /// Collective: leaves the gradient of a global batch's mean loss in ``gradients``, where this rank's shard is the sum
  /// over ranks, not clipped.
  ///
  /// - Parameters: as ``step(_:scores:globalCount:)``.
  /// - Returns: metrics of the batch and the 2-norm of the whole gradient.
  func computeGradient(
    _ pairs: [TokenizedPair], scores: [RowScores], globalCount: Int
  ) throws -> (metrics: PreferenceMetrics, norm: Double) {
    gradients.clear()
    var metrics = PreferenceMetrics(hasTokenRewards: objective.needs.contains(.rewards))
    for batch in Division.microBatches(
      Array(pairs.indices), costs: pairs.map(\.tokenCount), maxTokens: microBatchTokens)
    {
      let packed = PackedBatch(pairs: batch.map { pairs[$0] }, for: model.description)
      let logProbs = model.forward(packed, forBackward: true)
      var coefficients = [Float](repeating: 0, count: packed.targetCount)
      for (tree, index) in batch.enumerated() {
        let (outcome, statistics, own) = evaluate(
          logProbs[packed.targets(tree: tree, sequence: 0)], logProbs[packed.targets(tree: tree, sequence: 1)],
          scores: scores.isEmpty ? nil : scores[index], scale: 1 / Double(globalCount))
        metrics.add(statistics, outcome, tokens: pairs[index].conversationTokens)
        coefficients.replaceSubrange(packed.targets(tree: tree, sequence: 0), with: own.chosen)
        coefficients.replaceSubrange(packed.targets(tree: tree, sequence: 1), with: own.rejected)
      }
      model.backward(packed, coefficients: coefficients, gradients: gradients)
    }
    try metrics.combine(communicator)
    var square: Double
    switch exchange {
    case .reduceScatter:
      try communicator.reduceScatter(gradients.all, shards: shards)
      square = optimizer.sumOfSquares(of: gradients)
      try communicator.sum(&square)
    case .allReduce:
      try communicator.sum(gradients.all)
      square = optimizer.sumOfSquares(of: gradients)
    }
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
  package func evaluate(_ pairs: PairList, scores: [RowScores]) throws -> PreferenceMetrics {
    var metrics = PreferenceMetrics(hasTokenRewards: objective.needs.contains(.rewards))
    model.forEachPair(of: pairs, microBatchTokens: microBatchTokens) { index, chosen, rejected in
      let (outcome, statistics, _) = evaluate(
        chosen, rejected, scores: scores.isEmpty ? nil : scores[index], scale: 1)
      metrics.add(statistics, outcome, tokens: pairs[index].conversationTokens)
    }
    try metrics.combine(communicator)
    return metrics
  }

  private func evaluate(
    _ chosen: ArraySlice<Float>, _ rejected: ArraySlice<Float>, scores: RowScores?, scale: Double
  ) -> (PairOutcome, PairStatistics, PairCoefficients) {
    func response(_ logProbs: ArraySlice<Float>, _ scores: ResponseScores?) -> ResponseStatistics {
      let needs = objective.needs
      return ResponseStatistics(
        logProbs: Array(logProbs),
        reference: needs.contains(.reference) ? scores?.reference : nil,
        rewards: needs.contains(.rewards) ? scores?.rewards : nil)
    }
    let pair = PairStatistics(chosen: response(chosen, scores?.chosen), rejected: response(rejected, scores?.rejected))
    var coefficients = PairCoefficients(zerosFor: pair)
    let outcome = objective.evaluate(pair, scale: scale, into: &coefficients)
    return (outcome, pair, coefficients)
  }
}
