import Collectives
import Objectives
import OrderedCollections

/// Sums over pairs from which metrics are made, added up over ranks before they are divided.
package struct PreferenceMetrics: Sendable, Equatable {
  private enum Sum: Int, CaseIterable {
    case pairs, loss, chosenReward, rejectedReward, accuracy, chosenLogProb, rejectedLogProb, chosenTokens,
      rejectedTokens, perTokenAccuracy, regularizer, weight, chosenTokenReward, rejectedTokenReward, tokens
  }

  private var sums = [Double](repeating: 0, count: Sum.allCases.count)
  private let hasTokenRewards: Bool

  package init(hasTokenRewards: Bool) { self.hasTokenRewards = hasTokenRewards }

  private subscript(sum: Sum) -> Double {
    get { sums[sum.rawValue] }
    set { sums[sum.rawValue] = newValue }
  }

  /// - Parameter tokens: tokens of both conversations, the prompt counted in each.
  package mutating func add(_ pair: PairStatistics, _ outcome: PairOutcome, tokens: Int) {
    let chosen = pair.chosen.logProbs.reduce(0.0) { $0 + Double($1) }
    let rejected = pair.rejected.logProbs.reduce(0.0) { $0 + Double($1) }
    self[.pairs] += 1
    self[.loss] += outcome.loss
    self[.chosenReward] += outcome.chosenReward
    self[.rejectedReward] += outcome.rejectedReward
    self[.accuracy] += outcome.chosenReward > outcome.rejectedReward ? 1 : 0
    self[.chosenLogProb] += chosen
    self[.rejectedLogProb] += rejected
    self[.chosenTokens] += Double(pair.chosen.count)
    self[.rejectedTokens] += Double(pair.rejected.count)
    self[.perTokenAccuracy] += Self.win(chosen / Double(pair.chosen.count), rejected / Double(pair.rejected.count))
    self[.regularizer] += outcome.regularizer
    self[.weight] += outcome.weight
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

  /// Adds up over ranks; collective.
  package mutating func combine(_ communicator: Communicator) throws { try communicator.sum(&sums) }

  package var pairCount: Int { Int(self[.pairs]) }
  package var tokenCount: Int { Int(self[.tokens]) }
  package var loss: Double { mean(.loss) }

  private func mean(_ sum: Sum) -> Double { self[sum] / max(self[.pairs], 1) }

  /// Means by the names that TRL gives them, with `prefix` before each.
  ///
  /// `rewards/accuracies` counts a pair whose implicit rewards are equal as wrong, as TRL does; `logps/accuracies` compares
  /// the mean log-prob per token, ties ½.
  package func values(prefix: String = "") -> OrderedDictionary<String, Double> {
    var values: OrderedDictionary<String, Double> = [:]
    values["rewards/chosen"] = mean(.chosenReward)
    values["rewards/rejected"] = mean(.rejectedReward)
    values["rewards/accuracies"] = mean(.accuracy)
    values["rewards/margins"] = mean(.chosenReward) - mean(.rejectedReward)
    values["logps/chosen"] = mean(.chosenLogProb)
    values["logps/rejected"] = mean(.rejectedLogProb)
    values["logps/chosen_per_token"] = self[.chosenLogProb] / max(self[.chosenTokens], 1)
    values["logps/rejected_per_token"] = self[.rejectedLogProb] / max(self[.rejectedTokens], 1)
    values["logps/accuracies"] = mean(.perTokenAccuracy)
    if hasTokenRewards {
      values["treg/regularizer"] = mean(.regularizer)
      values["treg/weight"] = mean(.weight)
      values["treg/reward_chosen"] = self[.chosenTokenReward] / max(self[.chosenTokens], 1)
      values["treg/reward_rejected"] = self[.rejectedTokenReward] / max(self[.rejectedTokens], 1)
    }
    return OrderedDictionary(uniqueKeysWithValues: values.map { (prefix + $0, $1) })
  }
}
