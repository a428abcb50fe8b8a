/// Length-normalised DPO (Tülu 3, arXiv 2411.15124, section 5.1.2; TRL's `sigmoid_norm`):
///
///     z = β [r̄(y_w) − r̄(y_l)],   r̄(y) = (1/|y|) Σ_t [log π(y_t) − log π_ref(y_t)]
///     L = −(1 − ε) log σ(z) − ε log σ(−z)
///
/// Rewards are reported as β Σ_t, as TRL does.
struct LengthNormalizedDPO: MarginObjective {
  static let registration = ObjectiveRegistration(names: ["sigmoid_norm"]) { try LengthNormalizedDPO(options: $0) }

  let reward: ReferenceReward
  let sigmoid: SmoothedSigmoid

  init(options: ObjectiveOptions) throws {
    reward = try ReferenceReward(options: options)
    sigmoid = SmoothedSigmoid(labelSmoothing: try options.checkedLabelSmoothing())
  }

  var name: String { "sigmoid_norm" }

  func tokenScales(_ side: Side, of pair: PairStatistics) -> TokenScales {
    reward.scales(side, of: pair, perToken: true)
  }

  func loss(logit: Double) -> (value: Double, derivative: Double) { sigmoid.loss(logit: logit) }

  func reportedReward(_ reward: Double, _ side: Side, of pair: PairStatistics) -> Double {
    Double(pair[side].count) * reward
  }
}
