/// Several objectives as one loss: Σ_i weight_i · L_i (TRL's list of `loss_type` with `loss_weights`).
///
/// Loss and regularizer are weighted sums. Implicit rewards and the weight w are those of the first term that has any,
/// because they have no sum with a meaning; so with every other reported number.
package struct WeightedSum: Objective {
  package let terms: [(objective: any Objective, weight: Double)]

  /// - Precondition: at least one term.
  package init(_ terms: [(objective: any Objective, weight: Double)]) {
    precondition(!terms.isEmpty, "a sum has at least one term")
    self.terms = terms
  }

  package var name: String { terms.map(\.objective.name).joined(separator: "+") }
  package var needs: Needs { terms.reduce([]) { $0.union($1.objective.needs) } }
  package var hasRewards: Bool { terms.contains { $0.objective.hasRewards } }

  package func evaluate(
    _ pair: PairStatistics, scale: Double, into coefficients: inout PairCoefficients
  ) -> PairOutcome {
    let outcomes = terms.map { $0.objective.evaluate(pair, scale: scale * $0.weight, into: &coefficients) }
    var total = outcomes[terms.firstIndex { $0.objective.hasRewards } ?? 0]
    (total.loss, total.regularizer) = (0, 0)
    for (outcome, term) in zip(outcomes, terms) {
      total.loss += term.weight * outcome.loss
      total.regularizer += term.weight * outcome.regularizer
      total.extras.merge(outcome.extras) { first, _ in first }
    }
    return total
  }
}
