/// A reward objective whose loss is a function of one logit, z = r_w − r_l − offset: one scalar per pair, which T-REG's
/// token rewards can bend token by token.
package protocol MarginObjective: RewardObjective {
  /// What the chosen reward must exceed the rejected one by before the logit is positive.
  var offset: Double { get }

  /// f(z) and f′(z).
  func loss(logit: Double) -> (value: Double, derivative: Double)

  /// w of T-REG, by which token rewards count less once the pair is ranked rightly: σ(−z), or, where f is not a logistic
  /// loss, −f′(z) while it is positive.
  func regularizationWeight(logit: Double) -> Double

  /// Whether T-REG adds to it; not where token rewards are part of the loss already.
  var takesTokenRewards: Bool { get }
}

extension MarginObjective {
  package var offset: Double { 0 }
  package var takesTokenRewards: Bool { true }
  package func regularizationWeight(logit: Double) -> Double { sigmoid(-logit) }

  package func loss(chosen: Double, rejected: Double) -> RewardLoss {
    let (value, derivative) = loss(logit: chosen - rejected - offset)
    return RewardLoss(value: value, byChosen: derivative, byRejected: -derivative)
  }

  package func weight(chosen: Double, rejected: Double) -> Double {
    regularizationWeight(logit: chosen - rejected - offset)
  }
}

/// What the losses of TRL's DPO trainer have in common: r(y) = β Σ_t [log π(y_t) − log π_ref(y_t)], with LD-DPO's
/// weighting of the longer response's rest where `ld_alpha` is given.
struct ReferenceReward: Sendable {
  let beta: Double
  let lengthAlpha: Double?

  /// - Throws: configuration errors that name the key.
  init(options: ObjectiveOptions) throws {
    beta = try options.checkedBeta()
    lengthAlpha = try options.checkedLengthAlpha()
  }

  /// β, or β / |y|.
  func scales(_ side: Side, of pair: PairStatistics, perToken: Bool = false) -> TokenScales {
    .desensitized(perToken ? beta / Double(pair[side].count) : beta, side, pair, alpha: lengthAlpha)
  }
}

/// An objective whose rewards are ``ReferenceReward``s.
protocol ReferenceRewarded: RewardObjective {
  var reward: ReferenceReward { get }
}

extension ReferenceRewarded {
  package func tokenScales(_ side: Side, of pair: PairStatistics) -> TokenScales { reward.scales(side, of: pair) }
}
