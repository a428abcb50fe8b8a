/// Direct preference optimisation (Rafailov et al. 2023, equation 7), with the label smoothing of conservative DPO:
///
///     r(y) = β Σ_t [log π(y_t | x, y_<t) − log π_ref(y_t | x, y_<t)]
///     z    = r(y_w) − r(y_l)
///     L    = −(1 − ε) log σ(z) − ε log σ(−z)
package struct DPO: MarginObjective {
  static let registration = ObjectiveRegistration(names: ["dpo", "sigmoid"]) { try DPO(options: $0) }

  package let beta: Double
  let sigmoid: SmoothedSigmoid

  /// - Throws: configuration errors that name the key.
  package init(options: ObjectiveOptions) throws {
    beta = try options.checkedBeta()
    sigmoid = SmoothedSigmoid(labelSmoothing: try options.checkedLabelSmoothing())
  }

  package var name: String { "dpo" }
  package var needs: Needs { .reference }
  package var offset: Double { 0 }
  package func tokenScale(count: Int) -> Double { beta }

  package func reward(of response: ResponseStatistics) -> Double {
    guard let reference = response.reference else { preconditionFailure("DPO needs the reference's log-probs") }
    var sum = 0.0
    for token in response.logProbs.indices {
      sum += Double(response.logProbs[token]) - Double(reference[token])
    }
    return beta * sum
  }

  package func loss(logit: Double) -> (value: Double, derivative: Double) { sigmoid.loss(logit: logit) }
}
