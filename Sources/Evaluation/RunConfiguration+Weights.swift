import Compute
import Configuration
import ModelDescription
import ModelFiles

extension RunConfiguration {
  /// How memory holds a model's weights.
  package func weightType(of source: ModelSource) -> WeightType {
    WeightType(rawValue: source.storageType(named: weights.rawValue).rawValue)!
  }

  /// The adapters that training trains in place of a model's weights; nil when it trains those.
  ///
  /// - Throws: 78 when a target is none of the model's projections, or an adapter is not what is asked for.
  package func lowRank(of source: ModelSource) throws -> LowRankLayout? {
    guard usePeft else { return nil }
    return try source.lowRank(
      rank: loraRank, alpha: loraAlpha, usesRootScaling: useRSLoRA, targets: loraTargetModules)
  }
}
