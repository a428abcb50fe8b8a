/// The numbers of one pair that are reported; sums over pairs are the caller's.
package struct PairOutcome: Sendable, Equatable {
  /// The whole loss of the pair, its regularizer included.
  package var loss: Double
  /// The implicit reward of the chosen response: TRL's `rewards/chosen`.
  package var chosenReward: Double
  /// The implicit reward of the rejected response: TRL's `rewards/rejected`.
  package var rejectedReward: Double
  /// w of T-REG, σ(−z) of the objective's logit z unless its file says otherwise: how far the pair is from being ranked
  /// rightly.
  package var weight: Double
  /// α · w · (L_REG(y_w) + L_REG(y_l)): the part of `loss` that token rewards add; 0 without them.
  package var regularizer: Double = 0
  /// Numbers that only some objectives have.
  package var extras: [Extra: Double] = [:]

  /// What some objectives report beside the rest, under TRL's names where TRL has them.
  package enum Extra: String, Sendable, CaseIterable {
    /// Mean of −log π over the chosen response's tokens.
    case nllLoss = "nll_loss"
    /// log σ of the log odds ratio.
    case logOddsRatio = "log_odds_ratio"
    /// log odds of chosen less those of rejected.
    case logOddsChosen = "log_odds_chosen"
    /// The weight that WPO gives the pair.
    case pairWeight = "wpo/weight"
    /// Σ_t of the divergence from the reference.
    case chosenDivergence = "kl/chosen"
    case rejectedDivergence = "kl/rejected"
  }
}
