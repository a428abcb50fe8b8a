import ModelDescription
import RunFolder

/// An adapter with the model around which it stands.
package struct StartingAdapter: Sendable {
  package let folder: AdapterFolder
  /// On the model.
  package let layout: LowRankLayout
  /// The model without it.
  package let base: any WeightSource
  /// How others find the model.
  package let baseName: String
}

extension ModelSource {
  /// What low-rank training of this model trains: the adapter that it came with, or new ones.
  ///
  /// - Parameters:
  ///   - rank, alpha: nil means 16 and 32, or those of the adapter.
  ///   - targets: none means what PEFT adapts by default, or what the adapter does.
  /// - Throws: 78 when a target is none of the model's projections, or the adapter is not what is asked for.
  package func lowRank(
    rank: Int?, alpha: Double?, usesRootScaling: Bool, targets: [String]
  ) throws -> LowRankLayout {
    guard let layout = adapter?.layout else {
      return try LowRankLayout(
        LowRank(
          rank: rank ?? 16, alpha: alpha ?? 32, usesRootScaling: usesRootScaling,
          targets: targets.isEmpty ? LowRank.standardTargets(of: model) : targets), of: model)
    }
    func requireEqual<Value: Equatable>(_ key: String, _ asked: Value, _ own: Value?) throws {
      guard asked != own else { return }
      throw TregError.configuration(
        at: key,
        "\(asked) is not what the adapter \(place) has (\(own.map { "\($0)" } ?? "several")); leave the key out to train it on"
      )
    }
    func single<Value: Hashable>(_ values: [Value]) -> Value? { Set(values).count == 1 ? values[0] : nil }
    if let rank { try requireEqual("lora_r", rank, single(layout.projections.map(\.rank))) }
    if let alpha { try requireEqual("lora_alpha", alpha, single(layout.projections.map(\.alpha))) }
    if usesRootScaling { try requireEqual("use_rslora", true, layout.usesRootScaling) }
    if !targets.isEmpty {
      let asked = try LowRankLayout(LowRank(rank: 1, alpha: 1, targets: targets), of: model)
      try requireEqual(
        "lora_target_modules", asked.projections.map(\.module).sorted(), layout.projections.map(\.module).sorted())
    }
    return layout
  }
}
