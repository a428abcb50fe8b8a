import Foundation

/// DPO with temporal decay (Shao et al. 2025, arXiv 2502.14340): early tokens count most.
///
///     r(y) = β Σ_t γ^t [log π(y_t) − log π_ref(y_t)],   t from 0        γ: `d2po_gamma`
///     L    = −log σ(r(y_w) − r(y_l))
struct D2PO: MarginObjective {
  static let registration = ObjectiveRegistration(names: ["d2po"]) { try D2PO(options: $0) }

  let beta: Double
  let gamma: Double

  init(options: ObjectiveOptions) throws {
    beta = try options.checkedBeta()
    gamma = try options.checked(options.d2poGamma, "d2po_gamma", "a number above 0, at most 1") { $0 > 0 && $0 <= 1 }
  }

  var name: String { "d2po" }

  func tokenScales(_ side: Side, of pair: PairStatistics) -> TokenScales {
    .each((0..<pair[side].count).map { beta * pow(gamma, Double($0)) })
  }

  func loss(logit: Double) -> (value: Double, derivative: Double) { (softplus(-logit), -sigmoid(-logit)) }
}
