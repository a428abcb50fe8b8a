/// The hinge loss of SLiC (Zhao et al. 2023, arXiv 2305.10425) on DPO's logit, as TRL has it:
///
///     L = max(0, 1 − z)
struct HingeDPO: MarginObjective, ReferenceRewarded {
  static let registration = ObjectiveRegistration(names: ["hinge"]) { try HingeDPO(options: $0) }

  let reward: ReferenceReward

  init(options: ObjectiveOptions) throws { reward = try ReferenceReward(options: options) }

  var name: String { "hinge" }
  func loss(logit: Double) -> (value: Double, derivative: Double) { logit < 1 ? (1 - logit, -1) : (0, 0) }
  func regularizationWeight(logit: Double) -> Double { logit < 1 ? 1 : 0 }
}
