import ModelDescription
import Reporting

/// An architecture in words, for reports.
extension ModelDescription {
  /// Sizes in one line.
  package var sizes: String {
    "\(layerCount) layers of width \(width), \(headCount) heads of \(headDimension) on \(keyValueHeadCount), MLP \(mlpWidth)"
  }

  /// What tells the model from a plain Llama, in short phrases.
  package var traits: [String] {
    var traits = [positions] + windows
    switch queryKeyNorm {
    case .perHead: traits.append("queries and keys normed by head")
    case .allHeads: traits.append("queries and keys normed")
    case nil: break
    }
    if normPlacement == .after { traits.append("norms after attention and MLP") }
    if normPlacement == .around { traits.append("norms before and after attention and MLP") }
    if norm.kind == .layer { traits.append("LayerNorm") }
    if let scoreCap { traits.append("scores capped at \(NumberFormat.significant(Double(scoreCap)))") }
    if let logitCap { traits.append("logits capped at \(NumberFormat.significant(Double(logitCap)))") }
    let biased = [(attentionBias, "q, k, v"), (outputBias, "o"), (mlpBias, "MLP")].filter(\.0).map(\.1)
    if !biased.isEmpty { traits.append("biases on " + biased.joined(separator: ", ")) }
    traits.append(tiesEmbeddings ? "output tied to the embedding" : "output matrix of its own")
    return traits
  }

  private var positions: String {
    if positionCount != nil { return "learned positions" }
    var words = ropes.map { Self.words($0) }.joined(separator: " and ")
    if rotaryDimension < headDimension { words += " on \(rotaryDimension) of \(headDimension)" }
    let bare = layers.count { $0.rope == nil }
    return bare > 0 ? words + ", none in \(bare) of \(layerCount) layers" : words
  }

  private static func words(_ rope: Rope) -> String {
    func number(_ value: Double) -> String {
      value == value.rounded() && value < 1e15 ? NumberFormat.count(Int(value)) : NumberFormat.significant(value)
    }
    let scaling =
      switch rope.scaling {
      case .none: ""
      case .linear(let factor): ", linear ×\(number(factor))"
      case .dynamic(let factor, let trained): ", dynamic NTK ×\(number(factor)) from \(number(Double(trained)))"
      case .llama3(let factor, _, _, let original): ", llama3 ×\(number(factor)) from \(number(original))"
      case .yarn(let yarn): ", YaRN ×\(number(yarn.factor)) from \(number(yarn.originalLength))"
      case .longrope(_, _, let original, _): ", longrope from \(number(Double(original)))"
      }
    return "RoPE θ \(number(rope.theta))\(scaling)"
  }

  private var windows: [String] {
    let windows = layers.compactMap(\.window)
    guard let first = windows.first else { return [] }
    let place = windows.count == layerCount ? "" : " in \(windows.count) of \(layerCount) layers"
    return ["window of \(NumberFormat.count(first)) tokens\(place)"]
  }
}
