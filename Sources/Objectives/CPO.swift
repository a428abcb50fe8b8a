/// Contrastive preference optimisation (Xu et al. 2024, arXiv 2401.08417), as TRL's CPO trainer has it:
///
///     z = β [Σ_t log π(y_w,t) − Σ_t log π(y_l,t)]
///     L = −(1 − ε) log σ(z) − ε log σ(−z) + `cpo_alpha` · NLL(y_w)        NLL: of the response's tokens, see ``SFT``
struct CPO: MarginObjective {
  static let registration = ObjectiveRegistration(names: ["cpo"], nllWeight: \.cpoAlpha) { try CPO(options: $0) }

  let beta: Double
  let sigmoid: SmoothedSigmoid

  init(options: ObjectiveOptions) throws {
    beta = try options.checkedBeta()
    sigmoid = SmoothedSigmoid(labelSmoothing: try options.checkedLabelSmoothing())
  }

  var name: String { "cpo" }
  var usesReference: Bool { false }
  func tokenScales(_ side: Side, of pair: PairStatistics) -> TokenScales { .uniform(beta) }
  func loss(logit: Double) -> (value: Double, derivative: Double) { sigmoid.loss(logit: logit) }
}
