/// SPPO with hard labels (Wu et al. 2024, arXiv 2405.00675, equation 4.7 with P = 1), as TRL's `sppo_hard` has it:
///
///     L = (r_w/β − 1/(2β))² + (r_l/β + 1/(2β))²,   r DPO's rewards
struct SPPO: ReferenceRewarded {
  static let registration = ObjectiveRegistration(names: ["sppo_hard"]) { try SPPO(options: $0) }

  let reward: ReferenceReward

  init(options: ObjectiveOptions) throws { reward = try ReferenceReward(options: options) }

  var name: String { "sppo_hard" }

  func loss(chosen: Double, rejected: Double) -> RewardLoss {
    let beta = reward.beta
    let (winner, loser) = ((chosen - 0.5) / beta, (rejected + 0.5) / beta)
    return RewardLoss(
      value: winner * winner + loser * loser, byChosen: 2 * winner / beta, byRejected: 2 * loser / beta)
  }
}
