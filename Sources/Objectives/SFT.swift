/// The negative log-likelihood of the chosen response (`sft` in TRL's lists, the term that `rpo_alpha` weighs, and the
/// paper's ablation `sft` when summed with `dpo`):
///
///     L = −(1/|y_w|) Σ_t log π(y_w,t)
///
/// The mean is taken per pair, so that a batch's loss does not depend on how it is cut; TRL takes it over all tokens of a
/// device's batch, which is the same where one pair is one batch.
struct SFT: Objective {
  static let registration = ObjectiveRegistration(names: ["sft"]) { _ in SFT() }

  var name: String { "sft" }
  var needs: Needs { [] }
  var hasRewards: Bool { false }

  func evaluate(_ pair: PairStatistics, scale: Double, into coefficients: inout PairCoefficients) -> PairOutcome {
    let loss = pair.chosen.meanNegativeLogProb
    TokenScales.uniform(1 / Double(pair.chosen.count)).add(-scale, to: &coefficients.chosen.logProbs)
    return PairOutcome(loss: loss, chosenReward: 0, rejectedReward: 0, weight: 0, extras: [.nllLoss: loss])
  }
}
