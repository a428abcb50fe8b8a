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
    // What PEFT adapts when nothing is said.
    let standard: [String] =
      switch model.naming {
      case .separate: ["q_proj", "v_proj"]
      case .fused: ["qkv_proj"]
      case .gpt2: ["c_attn"]
      }
    return try LowRankLayout(
      LowRank(
        rank: loraRank, alpha: loraAlpha, usesRootScaling: useRSLoRA,
        targets: loraTargetModules.isEmpty ? standard : loraTargetModules), of: model)
  }
}
