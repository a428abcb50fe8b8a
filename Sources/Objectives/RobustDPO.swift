/// Robust DPO (Chowdhury et al. 2024, arXiv 2403.00409): an unbiased estimate of DPO's loss when labels are flipped with
/// probability ε, on DPO's logit z:
///
///     L = [−(1 − ε) log σ(z) + ε log σ(−z)] / (1 − 2ε)
struct RobustDPO: MarginObjective, ReferenceRewarded {
  static let registration = ObjectiveRegistration(names: ["robust"]) { try RobustDPO(options: $0) }

  let reward: ReferenceReward
  let labelSmoothing: Double

  init(options: ObjectiveOptions) throws {
    reward = try ReferenceReward(options: options)
    labelSmoothing = try options.checkedLabelSmoothing()
  }

  var name: String { "robust" }

  func loss(logit: Double) -> (value: Double, derivative: Double) {
    let scale = 1 / (1 - 2 * labelSmoothing)
    return (
      scale * ((1 - labelSmoothing) * softplus(-logit) - labelSmoothing * softplus(logit)),
      scale * (-(1 - labelSmoothing) * sigmoid(-logit) - labelSmoothing * sigmoid(logit))
    )
  }
}
