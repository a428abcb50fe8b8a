import Foundation

/// ORPO (Hong et al. 2024, arXiv 2403.07691, equations 4, 6 and 7), in one stage and without a reference:
///
///     p(y)  = (1/|y|) Σ_t log π(y_t)
///     z     = [p(y_w) − log(1 − e^{p(y_w)})] − [p(y_l) − log(1 − e^{p(y_l)})]      the log odds ratio
///     L     = −p(y_w) − β log σ(z)
///
/// β is the paper's λ, under TRL's name. The likelihood term is the response's, as in the paper; TRL's trainer takes it over
/// the prompt's tokens too. Rewards are β p(y).
struct ORPO: Objective {
  static let registration = ObjectiveRegistration(names: ["orpo"]) { try ORPO(options: $0) }

  let beta: Double

  init(options: ObjectiveOptions) throws { beta = try options.checkedBeta() }

  var name: String { "orpo" }
  var needs: Needs { [] }

  func evaluate(_ pair: PairStatistics, scale: Double, into coefficients: inout PairCoefficients) -> PairOutcome {
    let (chosen, rejected) = (-pair.chosen.meanNegativeLogProb, -pair.rejected.meanNegativeLogProb)
    let logOdds = Self.logOdds(chosen) - Self.logOdds(rejected)
    let slope = -beta * sigmoid(-logOdds)
    func add(_ derivative: Double, _ list: inout [Float]) {
      TokenScales.uniform(1 / Double(list.count)).add(scale * derivative, to: &list)
    }
    add(-1 + slope * Self.logOddsDerivative(chosen), &coefficients.chosen.logProbs)
    add(-slope * Self.logOddsDerivative(rejected), &coefficients.rejected.logProbs)
    return PairOutcome(
      loss: -chosen + beta * softplus(-logOdds), chosenReward: beta * chosen, rejectedReward: beta * rejected,
      weight: sigmoid(-logOdds),
      extras: [.nllLoss: -chosen, .logOddsChosen: logOdds, .logOddsRatio: -softplus(-logOdds)])
  }

  /// A response that the policy is certain of would have infinite odds.
  private static func bounded(_ p: Double) -> Double { min(p, -1e-12) }
  private static func logOdds(_ p: Double) -> Double { bounded(p) - log(-expm1(bounded(p))) }
  private static func logOddsDerivative(_ p: Double) -> Double { -1 / expm1(bounded(p)) }
}
