/// DPO guided by token rewards (Zhu et al. 2025, arXiv 2506.14574):
///
///     r(y_w) = β Σ_t (1 + α r̂_t) ρ_t,   r(y_l) = β Σ_t (1 − α r̂_t) ρ_t,   ρ_t = log π(y_t) − log π_ref(y_t)
///     L      = −log σ(r(y_w) − r(y_l))        α: `tgdpo_alpha`
///
/// Its token weights are T-REG's; it differs in that the rewards are part of the margin, too.
struct TGDPO: MarginObjective {
  static let registration = ObjectiveRegistration(names: ["tgdpo"]) { try TGDPO(options: $0) }

  let beta: Double
  let alpha: Double

  init(options: ObjectiveOptions) throws {
    beta = try options.checkedBeta()
    alpha = try options.checked(options.tgdpoAlpha, "tgdpo_alpha", "a number of at least 0") { $0 >= 0 }
  }

  var name: String { "tgdpo" }
  var needs: Needs { [.reference, .rewards] }
  var takesTokenRewards: Bool { false }

  func tokenScales(_ side: Side, of pair: PairStatistics) -> TokenScales {
    .each(pair[side].knownRewards.map { beta * (1 + side.sign * alpha * Double($0)) })
  }

  func loss(logit: Double) -> (value: Double, derivative: Double) { (softplus(-logit), -sigmoid(-logit)) }
}
