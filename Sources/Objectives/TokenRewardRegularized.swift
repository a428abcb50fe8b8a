/// Token-level reward regularisation of a margin objective (T-REG, arXiv 2412.02685):
///
///     L_REG(y) = −Σ_t s_t r̂_t log π(y_t | x, y_<t)           s: β for DPO, β / |y| for SimPO
///     w        = sg(σ(−z)),  1 with `treg_weight: static`
///     L        = L_base + α · w · (L_REG(y_w) + L_REG(y_l))
///
/// where z is the base's logit and sg(·) stops the gradient. With DPO and no label smoothing the coefficients are
/// −β w (1 + α r̂_t) for chosen and β w (1 − α r̂_t) for rejected tokens: DPO's own, within 1 ± α/2.
package struct TokenRewardRegularized<Base: MarginObjective>: Objective {
  package let base: Base
  /// `treg_alpha`.
  package let alpha: Double
  /// Whether w is left out, as in the paper's ablation.
  package let isStatic: Bool

  package init(_ base: Base, alpha: Double, isStatic: Bool = false) {
    self.base = base
    self.alpha = alpha
    self.isStatic = isStatic
  }

  package var name: String { base.name + (isStatic ? "-reg-static" : "-reg") }
  package var needs: Needs { base.needs.union(.rewards) }

  package func evaluate(
    _ pair: PairStatistics, scale: Double, into coefficients: inout PairCoefficients
  ) -> PairOutcome {
    var outcome = base.evaluate(pair, scale: scale, into: &coefficients)
    let factor = isStatic ? alpha : alpha * outcome.weight
    for side in Side.allCases {
      let response = pair[side]
      let rewards = response.knownRewards
      let scales = base.tokenScales(side, of: pair)
      var sum = 0.0
      for token in response.logProbs.indices {
        let step = scales[token] * Double(rewards[token])
        sum += step * Double(response.logProbs[token])
        coefficients[side].logProbs[token] -= Float(scale * factor * step)
      }
      outcome.regularizer -= factor * sum
    }
    outcome.loss += outcome.regularizer
    return outcome
  }
}
