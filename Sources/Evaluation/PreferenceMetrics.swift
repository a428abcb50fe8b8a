import Collectives
import Objectives
import Reporting

/// Sums over pairs from which metrics are made; they are added up over ranks, and divided then.
package struct PreferenceMetrics: Sendable, Equatable {
  private enum Sum: Int, CaseIterable {
    case pairs, loss, chosenReward, rejectedReward, accuracy, chosenLogProb, rejectedLogProb, chosenTokens,
      rejectedTokens, perTokenAccuracy, regularizer, weight, chosenTokenReward, rejectedTokenReward, tokens
  }

  /// The sums, then for each of `PairOutcome.Extra` a sum and the number of pairs that have it.
  private var sums = [Double](repeating: 0, count: Sum.allCases.count + 2 * PairOutcome.Extra.allCases.count)
  private let hasTokenRewards: Bool
  private let hasOutcomes: Bool
  private let hasRewards: Bool

  /// - Parameters:
  ///   - hasTokenRewards: pairs come with token rewards.
  ///   - hasOutcomes: pairs come with an objective's outcome; without, only log-probs are reported.
  ///   - hasRewards: these outcomes' rewards say anything.
  package init(hasTokenRewards: Bool, hasOutcomes: Bool = true, hasRewards: Bool = true) {
    self.hasTokenRewards = hasTokenRewards
    self.hasOutcomes = hasOutcomes
    self.hasRewards = hasRewards
  }

  private subscript(sum: Sum) -> Double {
    get { sums[sum.rawValue] }
    set { sums[sum.rawValue] = newValue }
  }

  /// - Parameters:
  ///   - outcome: nil when the metrics are of log-probs alone.
  ///   - tokens: tokens of both conversations, the prompt counted in each.
  package mutating func add(_ pair: PairStatistics, _ outcome: PairOutcome?, tokens: Int) {
    precondition((outcome != nil) == hasOutcomes, "metrics with outcomes need one of every pair")
    let chosen = pair.chosen.logProbs.reduce(0.0) { $0 + Double($1) }
    let rejected = pair.rejected.logProbs.reduce(0.0) { $0 + Double($1) }
    self[.pairs] += 1
    if let outcome {
      self[.loss] += outcome.loss
      self[.chosenReward] += outcome.chosenReward
      self[.rejectedReward] += outcome.rejectedReward
      self[.accuracy] += outcome.chosenReward > outcome.rejectedReward ? 1 : 0
      self[.regularizer] += outcome.regularizer
      self[.weight] += outcome.weight
      for (index, extra) in PairOutcome.Extra.allCases.enumerated() {
        guard let value = outcome.extras[extra] else { continue }
        sums[Sum.allCases.count + 2 * index] += value
        sums[Sum.allCases.count + 2 * index + 1] += 1
      }
    }
    self[.chosenLogProb] += chosen
    self[.rejectedLogProb] += rejected
    self[.chosenTokens] += Double(pair.chosen.count)
    self[.rejectedTokens] += Double(pair.rejected.count)
    self[.perTokenAccuracy] += Self.win(chosen / Double(pair.chosen.count), rejected / Double(pair.rejected.count))
    self[.chosenTokenReward] += (pair.chosen.rewards ?? []).reduce(0.0) { $0 + Double($1) }
    self[.rejectedTokenReward] += (pair.rejected.rewards ?? []).reduce(0.0) { $0 + Double($1) }
    self[.tokens] += Double(tokens)
  }

  private static func win(_ mine: Double, _ theirs: Double) -> Double {
    mine > theirs ? 1 : mine == theirs ? 0.5 : 0
  }

  package static func += (left: inout PreferenceMetrics, right: PreferenceMetrics) {
    for index in left.sums.indices { left.sums[index] += right.sums[index] }
  }

  /// Adds the metrics of single pairs, which ranks have shared out among them, in the order of the pairs; collective. The
  /// result has the same bits on any number of ranks.
  ///
  /// - Parameters:
  ///   - own: metrics of one pair each.
  ///   - places: of these pairs among all `count`; every place is one rank's.
  package mutating func add(
    _ own: [PreferenceMetrics], at places: [Int], of count: Int, over communicator: Communicator
  ) throws {
    precondition(own.count == places.count, "one place for every pair")
    let width = sums.count
    var table = [Double](repeating: 0, count: count * width)
    for (metrics, place) in zip(own, places) {
      table.replaceSubrange(place * width..<(place + 1) * width, with: metrics.sums)
    }
    // One number and zeros: exact in whatever order the ranks are added.
    try communicator.sum(&table)
    for place in 0..<count {
      for index in 0..<width { sums[index] += table[place * width + index] }
    }
  }

  /// The metrics of all parts that a `sum` of their sums knows of, of which `parts` are some.
  package static func combining(
    _ parts: [PreferenceMetrics], by sum: ([[Double]]) throws -> [Double]
  ) rethrows -> PreferenceMetrics {
    var whole = parts[0]
    whole.sums = try sum(parts.map(\.sums))
    return whole
  }

  package var pairCount: Int { Int(self[.pairs]) }
  package var tokenCount: Int { Int(self[.tokens]) }
  package var loss: Double { mean(.loss) }

  private func mean(_ sum: Sum) -> Double { self[sum] / max(self[.pairs], 1) }

  /// Puts the means into a line of metrics.
  ///
  /// `rewards/accuracies` counts a pair whose implicit rewards are equal as wrong, as TRL does; `logps/accuracies` compares
  /// the mean log-prob per token, ties ½.
  package func fill(_ line: inout MetricsLine) {
    if hasOutcomes {
      line[.loss] = loss
      for (index, extra) in PairOutcome.Extra.allCases.enumerated() {
        let (sum, count) = (sums[Sum.allCases.count + 2 * index], sums[Sum.allCases.count + 2 * index + 1])
        if count > 0, let metric = Metric(rawValue: extra.rawValue) { line[metric] = sum / count }
      }
    }
    if hasOutcomes, hasRewards {
      line[.rewardsChosen] = mean(.chosenReward)
      line[.rewardsRejected] = mean(.rejectedReward)
      line[.rewardsAccuracies] = mean(.accuracy)
      line[.rewardsMargins] = mean(.chosenReward) - mean(.rejectedReward)
    }
    line[.logpsChosen] = mean(.chosenLogProb)
    line[.logpsRejected] = mean(.rejectedLogProb)
    line[.logpsChosenPerToken] = self[.chosenLogProb] / max(self[.chosenTokens], 1)
    line[.logpsAccuracies] = mean(.perTokenAccuracy)
    if hasTokenRewards {
      line[.regularizer] = mean(.regularizer)
      line[.weight] = mean(.weight)
      line[.rewardChosen] = self[.chosenTokenReward] / max(self[.chosenTokens], 1)
      line[.rewardRejected] = self[.rejectedTokenReward] / max(self[.rejectedTokens], 1)
    }
  }
}
