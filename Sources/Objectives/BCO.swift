/// The paired binary classifier loss (Jung et al. 2024, arXiv 2404.04656) without its reward shift, as TRL's `bco_pair` has it:
///
///     L = −log σ(r_w) − log σ(−r_l),   r DPO's rewards
struct BCO: ReferenceRewarded {
  static let registration = ObjectiveRegistration(names: ["bco_pair"]) { try BCO(options: $0) }

  let reward: ReferenceReward

  init(options: ObjectiveOptions) throws { reward = try ReferenceReward(options: options) }

  var name: String { "bco_pair" }

  func loss(chosen: Double, rejected: Double) -> RewardLoss {
    RewardLoss(
      value: softplus(-chosen) + softplus(rejected), byChosen: -sigmoid(-chosen), byRejected: sigmoid(rejected))
  }
}
