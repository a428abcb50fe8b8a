import Configuration
import Scoring

extension RunConfiguration {
  /// Where this run's token rewards come from; controls change them later.
  ///
  /// - Throws: what finding a template or opening a model throws.
  package func tokenRewardSource() throws -> TokenRewardSource {
    if let tregRewardModel { return try TokenRewardSource(model: tregRewardModel) }
    return .contrastive(try ContrastiveTemplate.find(tregTemplate))
  }

  package var tokenRewardControl: TokenRewardControl {
    let kind: TokenRewardControl.Kind =
      switch tregRewards {
      case .contrastive, .dpo: .none
      case .shuffled: .shuffled
      case .flipped: .flipped
      case .constant: .constant
      }
    return TokenRewardControl(kind, seed: UInt64(seed))
  }
}
