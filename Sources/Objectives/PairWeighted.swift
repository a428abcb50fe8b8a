import Foundation

/// WPO (arXiv 2406.11827): a pair counts by how likely the policy itself would write it.
///
///     v(y) = (1/|y|) Σ_t [log π(y_t) − log Σ_v π(v)²]          the alignment of equation 3, per token
///     L    = sg(min(1, e^{v(y_w) + v(y_l)})) · L_base          `loss_type: wpo`
///     L    = sg(e^{v(y_w) + v(y_l)}) · L_base                  `use_weighting: true`, as TRL has it, without the bound
package struct PairWeighted: Objective {
  package let base: any Objective
  package let isBounded: Bool

  package init(_ base: any Objective, isBounded: Bool) {
    self.base = base
    self.isBounded = isBounded
  }

  package var name: String { (isBounded ? "wpo-" : "weighted-") + base.name }
  package var needs: Needs { base.needs.union(.logSquares) }
  package var hasRewards: Bool { base.hasRewards }

  package func evaluate(
    _ pair: PairStatistics, scale: Double, into coefficients: inout PairCoefficients
  ) -> PairOutcome {
    let alignment = Self.alignment(pair.chosen) + Self.alignment(pair.rejected)
    let weight = exp(isBounded ? min(alignment, 0) : alignment)
    var outcome = base.evaluate(pair, scale: scale * weight, into: &coefficients)
    outcome.loss *= weight
    outcome.regularizer *= weight
    outcome.extras[.pairWeight] = weight
    return outcome
  }

  private static func alignment(_ response: ResponseStatistics) -> Double {
    guard let squares = response.logSquares else { preconditionFailure("WPO needs log Σ π²") }
    return TokenScales.uniform(1 / Double(response.count)).sum(response.logProbs, minus: squares)
  }
}
