import Foundation
import RunFolder

/// DPO with token-level importance weights (Liu et al. 2024, arXiv 2410.04350):
///
///     r(y) = β Σ_t w_t [ρ_t − η KL_t(π‖π_ref)],   ρ_t = log π(y_t) − log π_ref(y_t)
///     L    = −log σ(r(y_w) − r(y_l))
///     w_t  = k · exp(±μ · clamp(log p⁺(y_t) − log p⁻(y_t), L, U))        + for y_w, − for y_l
///
/// with k = 1, μ = 1, L = −0.5, U = 1.5 as in the paper (`tis_scale`, `tis_mu`, `tis_lower`, `tis_upper`). p⁺ and p⁻ are what
/// the frozen model gives after the two contrastive prompts, or the pair of models of `treg_rewards: dpo`. `tis_weights: rank`
/// is what the paper's code trains with: weights from 0.7 to 1.3 by the order of w_t (ties by position; 1 for a response of
/// one token), and 0 for the last token. η (`tis_kl`) weighs the divergence term of the paper's equation 14; its code has 0.5
/// where it uses the term, and none by default.
struct TISDPO: MarginObjective {
  static let registration = ObjectiveRegistration(names: ["tis_dpo", "tis-dpo"]) { try TISDPO(options: $0) }

  private let beta, factor, mu, lower, upper, divergenceWeight: Double
  private let ranks: Bool

  init(options: ObjectiveOptions) throws {
    beta = try options.checkedBeta()
    factor = try options.checked(options.tisScale, "tis_scale", "a number above 0") { $0 > 0 }
    mu = try options.checked(options.tisMu, "tis_mu", "a number of at least 0") { $0 >= 0 }
    lower = try options.checked(options.tisLower, "tis_lower", "a number") { _ in true }
    upper = try options.checked(options.tisUpper, "tis_upper", "a number of at least tis_lower") { [lower] in
      $0 >= lower
    }
    divergenceWeight = try options.checked(options.tisKL, "tis_kl", "a number of at least 0") { $0 >= 0 }
    ranks = options.tisWeights == .rank
  }

  var name: String { "tis_dpo" }
  var takesTokenRewards: Bool { false }
  var needs: Needs { divergenceWeight > 0 ? [.reference, .rewards, .policyDivergence] : [.reference, .rewards] }

  func tokenScales(_ side: Side, of pair: PairStatistics) -> TokenScales {
    .each(weights(side, of: pair[side]).map { beta * $0 })
  }

  func divergence(_ side: Side, of pair: PairStatistics) -> DivergenceTerm? {
    guard divergenceWeight > 0 else { return nil }
    return DivergenceTerm(
      statistic: .policyDivergence, scales: tokenScales(side, of: pair).scaled(by: -divergenceWeight))
  }

  func loss(logit: Double) -> (value: Double, derivative: Double) { (softplus(-logit), -sigmoid(-logit)) }

  private func weights(_ side: Side, of response: ResponseStatistics) -> [Double] {
    guard let ratios = response.logRatios else { preconditionFailure("TIS-DPO needs both contrastive log-probs") }
    let exponents = ratios.map { side.sign * mu * min(max(Double($0), lower), upper) }
    guard ranks else { return exponents.map { factor * exp($0) } }
    guard exponents.count > 1 else { return [1] }
    let order = exponents.indices.sorted { (exponents[$0], $0) < (exponents[$1], $1) }
    var weights = [Double](repeating: 0, count: exponents.count)
    for (rank, token) in order.enumerated() { weights[token] = 0.7 + 0.6 * Double(rank) / Double(order.count - 1) }
    weights[weights.count - 1] = 0
    return weights
  }
}
