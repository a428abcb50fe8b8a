/// An objective of the form L = f(r_w, r_l), where the implicit reward of a response is linear in statistics of its tokens:
///
///     r(y) = Σ_t s_t · [log π(y_t) − log π_ref(y_t)] + Σ_t d_t · KL_t       the reference and the divergence where it has them
///
/// Such a loss has one scalar per response: d L / d log π(y_t) = ∂f/∂r · s_t. What a loss file states is s, and f.
package protocol RewardObjective: Objective {
  /// Whether the reference's log-probs are subtracted.
  var usesReference: Bool { get }

  /// s_t, which may depend on constants of the pair, such as token rewards.
  func tokenScales(_ side: Side, of pair: PairStatistics) -> TokenScales

  /// The part of the reward that divergences from the reference make; nil: none.
  func divergence(_ side: Side, of pair: PairStatistics) -> DivergenceTerm?

  /// f and its derivatives by the two rewards.
  func loss(chosen: Double, rejected: Double) -> RewardLoss

  /// What is reported as the pair's weight.
  func weight(chosen: Double, rejected: Double) -> Double

  /// What is reported as the reward of a response; r(y) unless TRL reports something else.
  func reportedReward(_ reward: Double, _ side: Side, of pair: PairStatistics) -> Double
}

/// f(r_w, r_l) and its derivatives.
package struct RewardLoss: Sendable {
  var value: Double
  var byChosen: Double
  var byRejected: Double
}

/// Σ_t d_t · KL_t of a response.
package struct DivergenceTerm: Sendable {
  /// `referenceDivergence` or `policyDivergence`.
  let statistic: Needs
  let scales: TokenScales
  /// Whether no gradient flows through it.
  var isConstant = false

  fileprivate func values(of response: ResponseStatistics) -> [Float] {
    let values = statistic == .referenceDivergence ? response.referenceDivergence : response.policyDivergence
    guard let values else { preconditionFailure("this objective needs divergences from the reference") }
    return values
  }
}

extension RewardObjective {
  package var usesReference: Bool { true }
  package var needs: Needs { usesReference ? .reference : [] }
  package func divergence(_ side: Side, of pair: PairStatistics) -> DivergenceTerm? { nil }
  package func reportedReward(_ reward: Double, _ side: Side, of pair: PairStatistics) -> Double { reward }
  package func weight(chosen: Double, rejected: Double) -> Double { sigmoid(rejected - chosen) }

  package func evaluate(
    _ pair: PairStatistics, scale: Double, into coefficients: inout PairCoefficients
  ) -> PairOutcome {
    precondition(
      coefficients.chosen.logProbs.count == pair.chosen.count
        && coefficients.rejected.logProbs.count == pair.rejected.count,
      "one coefficient per scored token")
    var extras: [PairOutcome.Extra: Double] = [:]
    let scales = Side.allCases.map { tokenScales($0, of: pair) }
    let divergences = Side.allCases.map { divergence($0, of: pair) }
    let rewards = Side.allCases.enumerated().map { index, side in
      let response = pair[side]
      precondition(!usesReference || response.reference != nil, "\(name) needs the reference's log-probs")
      var reward = scales[index].sum(response.logProbs, minus: usesReference ? response.reference : nil)
      if let term = divergences[index] {
        let values = term.values(of: response)
        reward += term.scales.sum(values, minus: nil)
        extras[side == .chosen ? .chosenDivergence : .rejectedDivergence] = values.reduce(0.0) { $0 + Double($1) }
      }
      return reward
    }
    let loss = loss(chosen: rewards[0], rejected: rewards[1])
    for (index, side) in Side.allCases.enumerated() {
      let factor = scale * (side == .chosen ? loss.byChosen : loss.byRejected)
      scales[index].add(factor, to: &coefficients[side].logProbs)
      guard let term = divergences[index], !term.isConstant else { continue }
      if term.statistic == .referenceDivergence {
        term.scales.add(factor, to: &coefficients[side].referenceDivergence)
      } else {
        term.scales.add(factor, to: &coefficients[side].policyDivergence)
      }
    }
    return PairOutcome(
      loss: loss.value, chosenReward: reportedReward(rewards[0], .chosen, of: pair),
      rejectedReward: reportedReward(rewards[1], .rejected, of: pair),
      weight: weight(chosen: rewards[0], rejected: rewards[1]), extras: extras)
  }
}
