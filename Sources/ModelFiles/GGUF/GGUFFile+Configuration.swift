import ModelDescription
import OrderedJSON
import RunFolder

extension GGUFFile {
  /// The `config.json` that the file's metadata describe, and the weights under their Hugging Face names.
  ///
  /// - Throws: ``TregError`` (65) naming the metadata key or tensor that is missing or asks for something that is not
  ///   known, or the architecture that is not known.
  func huggingFaceModel() throws -> (configuration: JSONValue, weights: GGUFWeights) {
    let name = try required(string("general.architecture"), "general.architecture")
    let window = try integer("\(name).attention.sliding_window")
    guard let architecture = GGUFArchitecture.named(name, hasWindow: (window ?? 0) > 0) else {
      let known = GGUFArchitecture.known.keys.sorted().joined(separator: ", ")
      throw failure("architecture \(name) is not supported; known are \(known)")
    }
    if let parts = try integer("split.count"), parts > 1 {
      throw failure("the file is one of \(parts) parts; merge them into one file first")
    }
    try refuseWhatIsNotUnderstood(name, architecture)

    var builder = try GGUFConfiguration(self, name: name, architecture: architecture, window: window)
    try builder.addFamily()
    var sorted: JSONObject = [:]
    for (key, value) in builder.members.sorted(by: { $0.key < $1.key }) { sorted[key] = value }
    let configuration = JSONValue.object(sorted)
    // Checks every size before the weights rely on them.
    let description = try ModelDescription(configuration: configuration, place: place)
    let leavingOut: Set<String> = builder.hasRepeatedOutput ? ["output.weight"] : []
    return (
      configuration,
      GGUFWeights(
        self, architecture: architecture, headDimension: description.headDimension, leavingOut: leavingOut)
    )
  }

  /// The ids that a `generation_config.json` states.
  func generationConfiguration() throws -> JSONValue {
    var members: JSONObject = ["_from_model_config": true]
    for (name, key) in [("bos_token_id", "bos"), ("eos_token_id", "eos"), ("pad_token_id", "padding")] {
      if let token = try integer("tokenizer.ggml.\(key)_token_id") { members[name] = .integer(token) }
    }
    return .object(members)
  }

  /// Keys that change what a layer computes and mean nothing as long as they are 0.
  private static let numbers = [
    "attention.clamp_kqv", "attention.max_alibi_bias", "attention.scale", "attention.sliding_window",
    "attention.temperature_scale", "attn_logit_softcapping", "embedding_scale", "expert_count",
    "final_logit_softcapping", "logit_scale", "nextn_predict_layers", "residual_scale", "rope.freq_base_swa",
    "rope.scaling.yarn_log_multiplier", "router_logit_softcapping",
  ]

  private func refuseWhatIsNotUnderstood(_ name: String, _ architecture: GGUFArchitecture) throws {
    if let experts = try integer("\(name).expert_count"), experts > 0 {
      throw failure("the model is a mixture of \(experts) experts, which is not supported")
    }
    for suffix in Self.numbers where !architecture.understood.contains(suffix) {
      let key = "\(name).\(suffix)"
      if let value = try number(key), value != 0 {
        throw failure("metadata \(key) is \(value), which \(architecture.className) does not know")
      }
    }
    for (suffix, neutral) in [("attention.causal", true), ("use_parallel_residual", false)] {
      let key = "\(name).\(suffix)"
      if let value = try bool(key), value != neutral {
        throw failure("metadata \(key) is \(value), which is not supported")
      }
    }
    for suffix in ["attention.sliding_window_pattern", "rope.dimension_sections"]
    where !architecture.understood.contains(suffix) && metadata["\(name).\(suffix)"] != nil {
      throw failure("metadata \(name).\(suffix) is set, which \(architecture.className) does not know")
    }
  }
}
