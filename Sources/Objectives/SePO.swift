/// Selective preference optimisation (Yang et al. 2024, arXiv 2408.13518): only the tokens that an oracle's token reward
/// singles out train, the best of the chosen and the worst of the rejected response.
///
///     r(y) = (γ/|S|) Σ_{t∈S} log π(y_t)        S: the ⌈k|y|⌉ tokens of largest (y_w) or smallest (y_l) reward
///     L    = −log σ(r(y_w) − r(y_l))           k: `sepo_ratio`, γ: `sepo_scale`
///
/// Ties go to the earlier token. Rewards are those of `treg_rewards`: with `dpo` the paper's oracle, whose
/// log π_oracle − log π_ref orders tokens as r̂ does; with `contrastive` the two prompts in its place.
struct SePO: MarginObjective {
  static let registration = ObjectiveRegistration(names: ["sepo"]) { try SePO(options: $0) }

  let ratio: Double
  let scale: Double

  init(options: ObjectiveOptions) throws {
    ratio = try options.checked(options.sepoRatio, "sepo_ratio", "a number above 0, at most 1") { $0 > 0 && $0 <= 1 }
    scale = try options.checked(options.sepoScale, "sepo_scale", "a number above 0") { $0 > 0 }
  }

  var name: String { "sepo" }
  var needs: Needs { .rewards }
  var usesReference: Bool { false }
  var takesTokenRewards: Bool { false }

  func tokenScales(_ side: Side, of pair: PairStatistics) -> TokenScales {
    let rewards = pair[side].knownRewards
    // 0.3 · 10 is a little above 3 in binary; that is no fourth token.
    let count = min(rewards.count, max(1, Int((ratio * Double(rewards.count) - 1e-9).rounded(.up))))
    let order = rewards.indices.sorted { first, second in
      let (one, other) = (Float(side.sign) * rewards[first], Float(side.sign) * rewards[second])
      return one == other ? first < second : one > other
    }
    var scales = [Double](repeating: 0, count: rewards.count)
    for token in order.prefix(count) { scales[token] = scale / Double(count) }
    return .each(scales)
  }

  func loss(logit: Double) -> (value: Double, derivative: Double) { (softplus(-logit), -sigmoid(-logit)) }
}
