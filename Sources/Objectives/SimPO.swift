/// Simple preference optimisation (Meng et al. 2024, arXiv 2405.14734, equation 6), which has no reference; with label
/// smoothing as TRL's trainer offers it:
///
///     r(y) = (β / |y|) Σ_t log π(y_t | x, y_<t)
///     z    = r(y_w) − r(y_l) − γ,   γ = `gamma_beta_ratio` · β
///     L    = −(1 − ε) log σ(z) − ε log σ(−z)
package struct SimPO: MarginObjective {
  static let registration = ObjectiveRegistration(names: ["simpo"]) { try SimPO(options: $0) }

  package let beta: Double
  /// γ, the margin that rewards have to keep.
  package let offset: Double
  let sigmoid: SmoothedSigmoid

  /// - Throws: configuration errors that name the key.
  package init(options: ObjectiveOptions) throws {
    beta = try options.checkedBeta()
    offset = try options.checkedGammaBetaRatio() * beta
    sigmoid = SmoothedSigmoid(labelSmoothing: try options.checkedLabelSmoothing())
  }

  package var name: String { "simpo" }
  package var usesReference: Bool { false }

  package func tokenScales(_ side: Side, of pair: PairStatistics) -> TokenScales {
    .uniform(beta / Double(pair[side].count))
  }

  package func loss(logit: Double) -> (value: Double, derivative: Double) { sigmoid.loss(logit: logit) }
}
