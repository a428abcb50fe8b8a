/// Token-level reward regularisation of a margin objective (T-REG, arXiv 2412.02685):
///
///     L_REG(y) = −s(|y|) Σ_t r̂_t log π(y_t | x, y_<t)        s: β for DPO, β / |y| for SimPO
///     w        = sg(σ(−z))
///     L        = L_base + α · w · (L_REG(y_w) + L_REG(y_l))
///
/// where z is the base's logit and sg(·) stops the gradient. With DPO and no label smoothing the coefficients are
/// −β w (1 + α r̂_t) for chosen and β w (1 − α r̂_t) for rejected tokens: DPO's own, within 1 ± α/2.
package struct TokenRewardRegularized<Base: MarginObjective>: Objective {
  package let base: Base
  /// `treg_alpha`.
  package let alpha: Double

  package init(_ base: Base, alpha: Double) {
    self.base = base
    self.alpha = alpha
  }

  package var name: String { base.name + "-reg" }
  package var needs: Needs { base.needs.union(.rewards) }

  package func evaluate(
    _ pair: PairStatistics, scale: Double, into coefficients: inout PairCoefficients
  ) -> PairOutcome {
    var outcome = base.evaluate(pair, scale: scale, into: &coefficients)
    let factor = alpha * outcome.weight
    outcome.regularizer =
      factor
      * (add(pair.chosen, factor: factor, scale: scale, into: &coefficients.chosen)
        + add(pair.rejected, factor: factor, scale: scale, into: &coefficients.rejected))
    outcome.loss += outcome.regularizer
    return outcome
  }

  /// L_REG of a response; adds `scale` · `factor` times its gradient.
  private func add(
    _ response: ResponseStatistics, factor: Double, scale: Double, into coefficients: inout [Float]
  ) -> Double {
    guard let rewards = response.rewards else { preconditionFailure("T-REG needs token rewards") }
    let tokenScale = base.tokenScale(count: response.count)
    let step = -scale * factor * tokenScale
    var sum = 0.0
    for token in response.logProbs.indices {
      let reward = Double(rewards[token])
      sum += reward * Double(response.logProbs[token])
      coefficients[token] += Float(step * reward)
    }
    return -tokenScale * sum
  }
}
