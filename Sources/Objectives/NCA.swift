/// NCA for pairs (Chen et al. 2024, arXiv 2402.05369), as TRL's `nca_pair` has it:
///
///     L = −log σ(r_w) − ½ log σ(−r_w) − ½ log σ(−r_l),   r DPO's rewards
struct NCA: ReferenceRewarded {
  static let registration = ObjectiveRegistration(names: ["nca_pair"]) { try NCA(options: $0) }

  let reward: ReferenceReward

  init(options: ObjectiveOptions) throws { reward = try ReferenceReward(options: options) }

  var name: String { "nca_pair" }

  func loss(chosen: Double, rejected: Double) -> RewardLoss {
    RewardLoss(
      value: softplus(-chosen) + 0.5 * softplus(chosen) + 0.5 * softplus(rejected),
      byChosen: -sigmoid(-chosen) + 0.5 * sigmoid(chosen), byRejected: 0.5 * sigmoid(rejected))
  }
}
