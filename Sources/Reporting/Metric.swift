import OrderedJSON

/// The quantities of a line of `metrics.jsonl`, in the order in which they are written. Users' scripts rely on the
/// names, most of which are TRL's.
package enum Metric: String, Sendable, CaseIterable {
  case step
  case epoch
  case loss
  case learningRate = "learning_rate"
  case gradNorm = "grad_norm"
  case numTokens = "num_tokens"
  case rewardsChosen = "rewards/chosen"
  case rewardsRejected = "rewards/rejected"
  case rewardsAccuracies = "rewards/accuracies"
  case rewardsMargins = "rewards/margins"
  case logpsChosen = "logps/chosen"
  case logpsRejected = "logps/rejected"
  case logpsChosenPerToken = "logps/chosen_per_token"
  case logpsAccuracies = "logps/accuracies"
  case nllLoss = "nll_loss"
  case logOddsRatio = "log_odds_ratio"
  case logOddsChosen = "log_odds_chosen"
  case pairWeight = "wpo/weight"
  case chosenDivergence = "kl/chosen"
  case rejectedDivergence = "kl/rejected"
  case regularizer = "treg/regularizer"
  case weight = "treg/weight"
  case rewardChosen = "treg/reward_chosen"
  case rewardRejected = "treg/reward_rejected"
  /// Steps of the run so far that a guard left out.
  case skippedSteps = "guard/skipped"
  case tokensPerSecond = "perf/tokens_per_second"
  case stepSeconds = "perf/step_seconds"
  case peakMemory = "perf/peak_memory"
  case mfu = "perf/mfu"
  case imbalance = "perf/imbalance"
  case exposedCommunication = "perf/comm_exposed"

  var isWhole: Bool { [.step, .numTokens, .skippedSteps, .peakMemory].contains(self) }

  /// Whether the name stays as it is in lines about held-out pairs.
  var isPosition: Bool { self == .step || self == .epoch }
}

/// One line of metrics: of a step, or of an evaluation at a step.
package struct MetricsLine: Sendable, Equatable {
  /// Held-out pairs: all names but `step` and `epoch` start with `eval_`.
  package var isEvaluation: Bool
  private var values: [Metric: Double] = [:]

  package init(step: Int, epoch: Double, isEvaluation: Bool = false) {
    self.isEvaluation = isEvaluation
    self[.step] = Double(step)
    self[.epoch] = epoch
  }

  /// nil: the quantity is not part of the line.
  package subscript(_ metric: Metric) -> Double? {
    get { values[metric] }
    set { values[metric] = newValue }
  }

  /// The values in the order of ``Metric``. One that is not finite is written as null.
  package var json: JSONValue {
    var members: JSONObject = [:]
    for metric in Metric.allCases {
      guard let value = values[metric] else { continue }
      let name = isEvaluation && !metric.isPosition ? "eval_" + metric.rawValue : metric.rawValue
      members[name] = metric.isWhole ? Int(exactly: value).map(JSONValue.integer) ?? .number(value) : .number(value)
    }
    return .object(members)
  }
}
