/// APO-zero (D'Oosterlinck et al. 2024, arXiv 2408.06266, equation 7), for chosen responses better than the model's own:
///
///     L = 1 − σ(r_w) + σ(r_l),   r DPO's rewards
struct APOZero: ReferenceRewarded {
  static let registration = ObjectiveRegistration(names: ["apo_zero"]) { try APOZero(options: $0) }

  let reward: ReferenceReward

  init(options: ObjectiveOptions) throws { reward = try ReferenceReward(options: options) }

  var name: String { "apo_zero" }

  func loss(chosen: Double, rejected: Double) -> RewardLoss {
    RewardLoss(
      value: sigmoid(-chosen) + sigmoid(rejected), byChosen: -sigmoid(chosen) * sigmoid(-chosen),
      byRejected: sigmoid(rejected) * sigmoid(-rejected))
  }
}

/// APO-down (the same, equation 8), for chosen responses worse than the model's own:
///
///     L = σ(r_w) + 1 − σ(r_w − r_l)
struct APODown: ReferenceRewarded {
  static let registration = ObjectiveRegistration(names: ["apo_down"]) { try APODown(options: $0) }

  let reward: ReferenceReward

  init(options: ObjectiveOptions) throws { reward = try ReferenceReward(options: options) }

  var name: String { "apo_down" }

  func loss(chosen: Double, rejected: Double) -> RewardLoss {
    let margin = chosen - rejected
    let slope = sigmoid(margin) * sigmoid(-margin)
    return RewardLoss(
      value: sigmoid(chosen) + sigmoid(-margin), byChosen: sigmoid(chosen) * sigmoid(-chosen) - slope,
      byRejected: slope)
  }
}
