/// Several objectives as one loss: Σ_i weight_i · L_i (TRL's list of `loss_type` with `loss_weights`).
///
/// Loss and regularizer are weighted sums. Implicit rewards and the weight w are those of the first term, because they
/// have no sum with a meaning.
package struct WeightedSum: Objective {
  package let terms: [(objective: any Objective, weight: Double)]

  /// - Precondition: at least one term.
  package init(_ terms: [(objective: any Objective, weight: Double)]) {
    precondition(!terms.isEmpty, "a sum has at least one term")
    self.terms = terms
  }

  package var name: String { terms.map(\.objective.name).joined(separator: "+") }
  package var needs: Needs { terms.reduce([]) { $0.union($1.objective.needs) } }

  package func evaluate(
    _ pair: PairStatistics, scale: Double, into coefficients: inout PairCoefficients
  ) -> PairOutcome {
    let outcomes = terms.map { term in
      (term.objective.evaluate(pair, scale: scale * term.weight, into: &coefficients), term.weight)
    }
    var total = outcomes[0].0
    total.loss = outcomes.reduce(0) { $0 + $1.0.loss * $1.1 }
    total.regularizer = outcomes.reduce(0) { $0 + $1.0.regularizer * $1.1 }
    return total
  }
}
