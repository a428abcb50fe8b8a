/// An objective of the form L = f(z), where the logit z = r_w − r_l − offset compares implicit rewards that are
/// linear in the policy's log-probabilities: r(y) = s(|y|) · Σ_t log π(y_t) + a constant of the pair.
///
/// Such a loss has one scalar per pair: d L / d log π(y_w,t) = f′(z) · s(|y_w|), and minus f′(z) · s(|y_l|) for the
/// rejected response. What a loss file states is s, the rewards, and f.
package protocol MarginObjective: Objective {
  /// s: d r(y) / d log π(y_t) for a response of `count` scored tokens.
  func tokenScale(count: Int) -> Double

  /// The implicit reward r(y) of a response.
  func reward(of response: ResponseStatistics) -> Double

  /// What the chosen reward must exceed the rejected one by before the logit is positive.
  var offset: Double { get }

  /// f(z) and f′(z).
  func loss(logit: Double) -> (value: Double, derivative: Double)
}

extension MarginObjective {
  package func evaluate(
    _ pair: PairStatistics, scale: Double, into coefficients: inout PairCoefficients
  ) -> PairOutcome {
    precondition(
      coefficients.chosen.count == pair.chosen.count && coefficients.rejected.count == pair.rejected.count,
      "one coefficient per scored token")
    let chosenReward = reward(of: pair.chosen)
    let rejectedReward = reward(of: pair.rejected)
    let logit = chosenReward - rejectedReward - offset
    let (loss, derivative) = loss(logit: logit)
    let chosen = Float(scale * derivative * tokenScale(count: pair.chosen.count))
    let rejected = Float(-scale * derivative * tokenScale(count: pair.rejected.count))
    for token in coefficients.chosen.indices { coefficients.chosen[token] += chosen }
    for token in coefficients.rejected.indices { coefficients.rejected[token] += rejected }
    return PairOutcome(
      loss: loss, chosenReward: chosenReward, rejectedReward: rejectedReward, weight: sigmoid(-logit), regularizer: 0)
  }
}
