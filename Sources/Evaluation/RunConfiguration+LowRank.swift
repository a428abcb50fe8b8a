import Configuration
import ModelDescription

extension RunConfiguration {
  /// The adapters that this run trains in place of a model's weights; nil when it trains those.
  ///
  /// - Throws: 78 when a target is none of the model's projections.
  package func lowRank(of model: ModelDescription) throws -> LowRankLayout? {
    usePeft ? try adapters(of: model) : nil
  }

  /// The adapters that a run with `use_peft` would train.
  package func adapters(of model: ModelDescription) throws -> LowRankLayout {
    try LowRankLayout(
      LowRank(
        rank: loraRank, alpha: loraAlpha, usesRootScaling: useRSLoRA,
        targets: loraTargetModules.isEmpty ? LowRank.standardTargets(of: model) : loraTargetModules), of: model)
  }
}
