import Foundation
import RunFolder

/// EXO (Ji et al. 2024, arXiv 2402.00856, equation 16 for two responses), as TRL has it, on DPO's logit z:
///
///     L = σ(z) [log σ(z) − log(1 − ε)] + σ(−z) [log σ(−z) − log ε]        ε: `label_smoothing`, above 0
struct EXO: MarginObjective, ReferenceRewarded {
  static let registration = ObjectiveRegistration(names: ["exo_pair"]) { try EXO(options: $0) }

  let reward: ReferenceReward
  let labelSmoothing: Double

  init(options: ObjectiveOptions) throws {
    reward = try ReferenceReward(options: options)
    labelSmoothing = try options.checkedLabelSmoothing()
    guard labelSmoothing > 0 else {
      throw TregError.configuration(at: "label_smoothing", "exo_pair needs a number above 0, such as 1e-3")
    }
  }

  var name: String { "exo_pair" }

  func loss(logit: Double) -> (value: Double, derivative: Double) {
    let (right, wrong) = (sigmoid(logit), sigmoid(-logit))
    let gap = -softplus(-logit) - log1p(-labelSmoothing)
    let gapWrong = -softplus(logit) - log(labelSmoothing)
    // The terms from the logarithms' derivatives cancel.
    return (right * gap + wrong * gapWrong, right * wrong * (gap - gapWrong))
  }
}
