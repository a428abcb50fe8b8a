/// Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290, equation 7), with the label smoothing of
/// conservative DPO:
///
///     r(y) = β Σ_t [log π(y_t | x, y_<t) − log π_ref(y_t | x, y_<t)]
///     z    = r(y_w) − r(y_l)
///     L    = −(1 − ε) log σ(z) − ε log σ(−z)
package struct DPO: MarginObjective, ReferenceRewarded {
  static let registration = ObjectiveRegistration(names: ["dpo", "sigmoid"]) { try DPO(options: $0) }

  let reward: ReferenceReward
  let sigmoid: SmoothedSigmoid

  /// - Throws: configuration errors that name the key.
  package init(options: ObjectiveOptions) throws {
    reward = try ReferenceReward(options: options)
    sigmoid = SmoothedSigmoid(labelSmoothing: try options.checkedLabelSmoothing())
  }

  package var name: String { "dpo" }
  package func loss(logit: Double) -> (value: Double, derivative: Double) { sigmoid.loss(logit: logit) }
}
