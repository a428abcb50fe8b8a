/// IPO (Azar et al. 2023, arXiv 2310.12036, equation 17), as TRL has it: on means over tokens, which its authors confirmed.
///
///     z = Δ̄,   r̄(y) = (1/|y|) Σ_t [log π(y_t) − log π_ref(y_t)]        Σ in place of the mean with `ipo_reduction: sum`
///     L = (z − 1/(2β))²
///
/// Rewards are reported as β Σ_t, as TRL does. T-REG's w is −f′(z) where that is positive.
struct IPO: MarginObjective {
  static let registration = ObjectiveRegistration(names: ["ipo"]) { try IPO(options: $0) }

  let beta: Double
  let lengthAlpha: Double?
  let sums: Bool

  init(options: ObjectiveOptions) throws {
    beta = try options.checkedBeta()
    lengthAlpha = try options.checkedLengthAlpha()
    sums = options.ipoReduction == .sum
  }

  var name: String { "ipo" }

  func tokenScales(_ side: Side, of pair: PairStatistics) -> TokenScales {
    .desensitized(sums ? 1 : 1 / Double(pair[side].count), side, pair, alpha: lengthAlpha)
  }

  func loss(logit: Double) -> (value: Double, derivative: Double) {
    let distance = logit - 1 / (2 * beta)
    return (distance * distance, 2 * distance)
  }

  func regularizationWeight(logit: Double) -> Double { max(0, -loss(logit: logit).derivative) }

  func reportedReward(_ reward: Double, _ side: Side, of pair: PairStatistics) -> Double {
    beta * (sums ? 1 : Double(pair[side].count)) * reward
  }
}
