/// Token-level DPO (Zeng et al. 2024, arXiv 2404.11999), with D(y) = Σ_t KL(π_ref‖π) over the vocabulary:
///
///     tdpo1:  r(y) = β [Σ_t ρ_t + D(y)]
///     tdpo2:  r(y) = β [Σ_t ρ_t + α D(y)],  D(y_w) without a gradient        α: `tdpo_alpha`
///     L = −log σ(r(y_w) − r(y_l))
///
/// ρ_t = log π(y_t) − log π_ref(y_t). The papers' −(D_l − D_w) in the margin is D added to each reward.
struct TDPO: MarginObjective {
  static let first = ObjectiveRegistration(names: ["tdpo1"]) { try TDPO(options: $0, isSecond: false) }
  static let second = ObjectiveRegistration(names: ["tdpo2"]) { try TDPO(options: $0, isSecond: true) }

  let beta: Double
  let alpha: Double
  let isSecond: Bool

  init(options: ObjectiveOptions, isSecond: Bool) throws {
    beta = try options.checkedBeta()
    alpha = isSecond ? try options.checked(options.tdpoAlpha, "tdpo_alpha", "a number of at least 0") { $0 >= 0 } : 1
    self.isSecond = isSecond
  }

  var name: String { isSecond ? "tdpo2" : "tdpo1" }
  var needs: Needs { [.reference, .referenceDivergence] }
  func tokenScales(_ side: Side, of pair: PairStatistics) -> TokenScales { .uniform(beta) }

  func divergence(_ side: Side, of pair: PairStatistics) -> DivergenceTerm? {
    DivergenceTerm(
      statistic: .referenceDivergence, scales: .uniform(beta * alpha), isConstant: isSecond && side == .chosen)
  }

  func loss(logit: Double) -> (value: Double, derivative: Double) { (softplus(-logit), -sigmoid(-logit)) }
}
