import OrderedJSON
import RunFolder

/// What tells one family of models from Llama: the values that transformers takes for missing keys, and the parts of a
/// ``ModelDescription`` that the family sets otherwise.
///
/// A new family is one entry of ``known``, as long as its layers are made of parts that the description has.
struct Architecture: Sendable {
  /// For keys that are missing, not for those that are null.
  var standards: JSONObject = [:]
  /// Other names of the keys that every family has.
  var aliases: [String: String] = [:]
  var adjust: @Sendable (inout ModelDescription, ConfigurationReader) throws -> Void

  private static let common: JSONObject = [
    "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "hidden_act": "silu",
  ]

  private static func with(_ standards: JSONObject) -> JSONObject {
    var all = common
    for (key, value) in standards { all[key] = value }
    return all
  }

  static let known: [String: Architecture] = [
    "LlamaForCausalLM": llama, "MistralForCausalLM": mistral, "Qwen2ForCausalLM": qwen2, "Qwen3ForCausalLM": qwen3,
    "SmolLM3ForCausalLM": smollm3, "GemmaForCausalLM": gemma, "Gemma2ForCausalLM": gemma2,
    "Gemma3ForCausalLM": gemma3, "Phi3ForCausalLM": phi3, "Olmo2ForCausalLM": olmo2, "GraniteForCausalLM": granite,
    "GPT2LMHeadModel": gpt2,
  ]

  /// The class that transformers makes for a `model_type`, in files that name no architecture.
  static let namesByModelType: [String: String] = [
    "llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM", "smollm3": "SmolLM3ForCausalLM", "gemma": "GemmaForCausalLM",
    "gemma2": "Gemma2ForCausalLM", "gemma3_text": "Gemma3ForCausalLM", "phi3": "Phi3ForCausalLM",
    "olmo2": "Olmo2ForCausalLM", "granite": "GraniteForCausalLM", "gpt2": "GPT2LMHeadModel",
  ]
}

// MARK: Llama and its kin

extension Architecture {
  /// Llama 2, 3, 3.1, 3.2, SmolLM2 and all that name themselves so.
  private static let llama = Architecture(standards: common) { model, reader in
    try model.readActivation(reader)
    try model.readBiases(reader)
    try model.readRope(reader)
  }

  private static let mistral = Architecture(
    standards: with(["max_position_embeddings": 131_072, "sliding_window": 4096, "num_key_value_heads": 8])
  ) { model, reader in
    try model.readActivation(reader)
    try model.readWindow(reader)
    try model.readRope(reader)
  }

  private static let qwenStandards: JSONObject = [
    "max_position_embeddings": 32_768, "sliding_window": 4096, "max_window_layers": 28, "num_key_value_heads": 32,
  ]

  /// Layers from `max_window_layers` on slide, where `use_sliding_window` allows it.
  private static func readQwenWindows(_ model: inout ModelDescription, _ reader: ConfigurationReader) throws {
    let window =
      try reader.flag("use_sliding_window", default: false)
      ? reader.optionalInteger("sliding_window", in: 1...(1 << 30)) : nil
    let first = try reader.integer("max_window_layers", in: 0...4096)
    try model.readLayerTypes(reader, window: window) { window != nil && $0 >= first }
  }

  /// Qwen 2 and 2.5: biases on queries, keys and values, whatever the file says.
  private static let qwen2 = Architecture(standards: with(qwenStandards)) { model, reader in
    model.attentionBias = true
    try model.readActivation(reader)
    try readQwenWindows(&model, reader)
    try model.readRope(reader)
  }

  private static let qwen3 = Architecture(
    standards: with(qwenStandards).adding(["head_dim": 128])
  ) { model, reader in
    model.queryKeyNorm = .perHead
    try model.readActivation(reader)
    try model.readBiases(reader)
    model.mlpBias = false
    try readQwenWindows(&model, reader)
    try model.readRope(reader)
  }

  /// Every fourth layer has no positions, unless `no_rope_layers` says which.
  private static let smollm3 = Architecture(
    standards: with([
      "max_position_embeddings": 32_768, "num_key_value_heads": 4, "tie_word_embeddings": true,
      "no_rope_layer_interval": 4, "pad_token_id": 128_004,
    ])
  ) { model, reader in
    try model.readActivation(reader)
    try model.readBiases(reader)
    try model.readRope(reader, standardTheta: 2_000_000)
    let interval = try reader.integer("no_rope_layer_interval", in: 1...4096)
    var rotates = (0..<model.layerCount).map { ($0 + 1) % interval != 0 }
    if let value = reader.value("no_rope_layers") {
      // 1 stands for a layer with positions, in spite of the name.
      let flags = value.array?.map(\.integer) ?? []
      guard flags.count >= model.layerCount, flags.allSatisfy({ $0 == 0 || $0 == 1 }) else {
        throw reader.failure(
          "no_rope_layers", "must list 0 or 1 for \(model.layerCount) layers, found \(ConfigurationReader.text(value))")
      }
      rotates = flags.prefix(model.layerCount).map { $0 == 1 }
    }
    let window =
      try reader.flag("use_sliding_window", default: false)
      ? reader.optionalInteger("sliding_window", in: 1...(1 << 30)) : nil
    try model.readLayerTypes(reader, window: window) { window != nil && !rotates[$0] }
    for index in model.layers.indices where !rotates[index] { model.layers[index].rope = nil }
  }

  private static let phi3 = Architecture(
    standards: with([
      "max_position_embeddings": 4096, "original_max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
      "pad_token_id": 32_000,
    ])
  ) { model, reader in
    model.naming = .fused
    try model.readActivation(reader)
    try model.readWindow(reader)
    try model.readRope(reader)
  }

  private static let olmo2 = Architecture(
    standards: with(["rms_norm_eps": 1e-5, "pad_token_id": 1])
  ) { model, reader in
    model.normPlacement = .after
    model.queryKeyNorm = .allHeads
    try model.readActivation(reader)
    try model.readBiases(reader)
    model.mlpBias = false
    try model.readRope(reader)
  }

  private static let granite = Architecture(
    standards: with([
      "embedding_multiplier": 1, "logits_scaling": 1, "residual_multiplier": 1, "attention_multiplier": 1,
    ])
  ) { model, reader in
    try model.readActivation(reader)
    try model.readBiases(reader)
    try model.readRope(reader)
    model.embeddingScale = Float(try reader.number("embedding_multiplier"))
    model.residualScale = Float(try reader.number("residual_multiplier"))
    model.logitScale = Float(1 / (try reader.number("logits_scaling")))
    let scale = Float(try reader.number("attention_multiplier"))
    for index in model.layers.indices { model.layers[index].attentionScale = scale }
  }
}

// MARK: Gemma

extension Architecture {
  private static let gemmaStandards: JSONObject = [
    "max_position_embeddings": 8192, "head_dim": 256, "tie_word_embeddings": true, "pad_token_id": 0,
    "hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh",
  ]

  /// What all three generations share: weights that count from 1, GELU in the gate, embeddings times √width.
  private static func readGemma(_ model: inout ModelDescription, _ reader: ConfigurationReader) throws {
    model.norm.kind = .rootMeanSquare(shift: 1)
    model.embeddingScale = Float(model.width).squareRoot()
    try model.readBiases(reader)
    model.mlpBias = false
    if try reader.flag("use_bidirectional_attention", default: false) {
      throw reader.failure("use_bidirectional_attention", "must be false: only causal models can be trained")
    }
  }

  /// Gemma 2 and 3: norms around attention and MLP, a scale and perhaps caps of their own, windows.
  private static func readLaterGemma(
    _ model: inout ModelDescription, _ reader: ConfigurationReader, slides: (Int) -> Bool
  ) throws -> [Bool] {
    try readGemma(&model, reader)
    try model.readActivation(reader, key: "hidden_activation")
    model.normPlacement = .around
    let scale = 1 / Float(try reader.number("query_pre_attn_scalar")).squareRoot()
    for index in model.layers.indices { model.layers[index].attentionScale = scale }
    model.scoreCap = try reader.optionalNumber("attn_logit_softcapping").map { Float($0) }
    model.logitCap = try reader.optionalNumber("final_logit_softcapping").map { Float($0) }
    return try model.readLayerTypes(
      reader, window: reader.optionalInteger("sliding_window", in: 1...(1 << 30)), standard: slides)
  }

  private static let gemma = Architecture(standards: with(gemmaStandards)) { model, reader in
    try readGemma(&model, reader)
    try model.readActivation(reader)
    // The first files say "gelu", but the models were trained with its tanh form.
    if model.activation == .gelu { model.activation = .geluTanh }
    try model.readRope(reader)
  }

  private static let gemma2 = Architecture(
    standards: with(gemmaStandards).adding([
      "num_key_value_heads": 4, "query_pre_attn_scalar": 256, "sliding_window": 4096, "attn_logit_softcapping": 50,
      "final_logit_softcapping": 30,
    ])
  ) { model, reader in
    _ = try readLaterGemma(&model, reader) { ($0 + 1) % 2 != 0 }
    try model.readRope(reader)
  }

  /// The text model. Layers with a window have a rotary embedding of their own.
  private static let gemma3 = Architecture(
    standards: with(gemmaStandards).adding([
      "max_position_embeddings": 131_072, "num_key_value_heads": 4, "query_pre_attn_scalar": 256,
      "sliding_window": 4096, "sliding_window_pattern": 6, "rope_local_base_freq": 10_000,
    ])
  ) { model, reader in
    model.queryKeyNorm = .perHead
    let pattern = try reader.integer("sliding_window_pattern", in: 1...4096)
    let slides = try readLaterGemma(&model, reader) { ($0 + 1) % pattern != 0 }
    model.rotaryDimension = try reader.rotaryDimension(of: model.headDimension)
    func rope(_ kind: String, _ theta: Double) throws -> Rope {
      try Rope(
        reader, layerType: kind, standardTheta: theta, maximumLength: model.maximumLength,
        dimension: model.rotaryDimension)
    }
    let local = try reader.number("rope_local_base_freq")
    model.ropes = [try rope("full_attention", 1_000_000), try rope("sliding_attention", local)]
    for (index, isSliding) in slides.enumerated() { model.layers[index].rope = isSliding ? 1 : 0 }
    model.stretchContext()
  }
}

// MARK: GPT-2

extension Architecture {
  private static let gpt2 = Architecture(
    standards: [
      "n_positions": 1024, "layer_norm_epsilon": 1e-5, "tie_word_embeddings": true, "activation_function": "gelu_new",
    ],
    aliases: [
      "hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head",
      "intermediate_size": "n_inner", "max_position_embeddings": "n_positions", "rms_norm_eps": "layer_norm_epsilon",
    ]
  ) { model, reader in
    model.naming = .gpt2
    model.norm.kind = .layer
    model.gatesMLP = false
    model.attentionBias = true
    model.outputBias = true
    model.mlpBias = true
    model.positionCount = model.maximumLength
    // GPT-2's embedding is not told its padding token.
    model.paddingToken = nil
    try model.readActivation(reader, key: "activation_function")
    if try reader.flag("add_cross_attention", default: false) {
      throw reader.failure("add_cross_attention", "must be false: there is no encoder to attend to")
    }
    let scales = try reader.flag("scale_attn_weights", default: true)
    let byLayer = try reader.flag("scale_attn_by_inverse_layer_idx", default: false)
    for index in model.layers.indices {
      model.layers[index].rope = nil
      if !scales { model.layers[index].attentionScale = 1 }
      if byLayer { model.layers[index].attentionScale /= Float(index + 1) }
    }
  }
}

extension JSONObject {
  fileprivate func adding(_ others: JSONObject) -> JSONObject {
    var all = self
    for (key, value) in others { all[key] = value }
    return all
  }
}
