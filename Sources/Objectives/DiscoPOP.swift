import Foundation

/// DiscoPOP (Lu et al. 2024, arXiv 2406.08414, equation 5), as TRL has it, on DPO's logit z:
///
///     m = σ(z/τ)
///     L = −(1 − m) log σ(z) + m e^{−z}        τ: `discopop_tau`
struct DiscoPOP: MarginObjective, ReferenceRewarded {
  static let registration = ObjectiveRegistration(names: ["discopop"]) { try DiscoPOP(options: $0) }

  let reward: ReferenceReward
  let tau: Double

  init(options: ObjectiveOptions) throws {
    reward = try ReferenceReward(options: options)
    tau = try options.checked(options.discopopTau, "discopop_tau", "a number above 0") { $0 > 0 }
  }

  var name: String { "discopop" }

  func loss(logit: Double) -> (value: Double, derivative: Double) {
    let (mix, rest) = (sigmoid(logit / tau), sigmoid(-logit / tau))
    // m e^{−z} by its logarithm, which stays finite where e^{−z} does not.
    let exponential = exp(-logit - softplus(-logit / tau))
    let logistic = softplus(-logit)
    let value = rest * logistic + exponential
    let derivative =
      -rest * sigmoid(-logit) - mix * rest / tau * logistic - exponential + exponential * rest / tau
    return (value, derivative)
  }
}
