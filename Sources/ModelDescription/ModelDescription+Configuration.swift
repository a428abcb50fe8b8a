import OrderedJSON
import RunFolder

extension ModelDescription {
  /// Architectures that ``init(configuration:place:)`` reads.
  package static let knownArchitectures = ["LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM"]

  /// Reads a `config.json` as transformers 4 or 5 writes it.
  ///
  /// - Parameter place: the file, for messages.
  /// - Throws: ``TregError`` (65) naming the key, when a value is missing, out of range, or asks for something that the
  ///   Llama family does not have: another architecture, activation, rotary scaling, a sliding window, quantised weights.
  package init(configuration: JSONValue, place: String) throws {
    guard case .object = configuration else {
      throw TregError.badData(at: place, "expected an object, found \(configuration.kind)")
    }
    let reader = ConfigurationReader(object: configuration, place: place)
    let architecture = try Self.architecture(reader)
    try Self.refuseUnsupported(reader, architecture)

    self.architecture = architecture
    vocabularySize = try reader.integer("vocab_size", in: 1...(1 << 24))
    width = try reader.integer("hidden_size", in: 1...(1 << 17))
    layerCount = try reader.integer("num_hidden_layers", in: 1...4096)
    headCount = try reader.integer("num_attention_heads", in: 1...4096)
    mlpWidth = try reader.integer("intermediate_size", in: 1...(1 << 20))
    keyValueHeadCount = try reader.optionalInteger("num_key_value_heads", in: 1...4096) ?? headCount
    guard headCount % keyValueHeadCount == 0 else {
      throw reader.failure(
        "num_attention_heads", "(\(headCount)) must be a multiple of num_key_value_heads (\(keyValueHeadCount))")
    }
    if let dimension = try reader.optionalInteger("head_dim", in: 2...4096) {
      headDimension = dimension
    } else {
      guard width % headCount == 0 else {
        throw reader.failure(
          "hidden_size",
          "(\(width)) must be a multiple of num_attention_heads (\(headCount)) when head_dim is not given")
      }
      headDimension = width / headCount
    }
    guard headDimension % 2 == 0 else {
      throw reader.failure("head_dim", "must be even for rotary positions, found \(headDimension)")
    }
    normEpsilon = Float(try reader.optionalNumber("rms_norm_eps") ?? 1e-6)
    maximumLength =
      try reader.optionalInteger("max_position_embeddings", in: 1...(1 << 30)) ?? Self.standardLength(architecture)
    tiesEmbeddings = try reader.flag("tie_word_embeddings", default: false)
    let isQwen = architecture == "Qwen2ForCausalLM"
    let isLlama = architecture == "LlamaForCausalLM"
    outputBias = isLlama ? try reader.flag("attention_bias", default: false) : false
    attentionBias = isQwen || outputBias
    mlpBias = isLlama ? try reader.flag("mlp_bias", default: false) : false
    beginToken = try reader.tokens("bos_token_id").first
    endTokens = try reader.tokens("eos_token_id")
    // As torch.nn.Embedding reads padding_idx: negative ones count from the end.
    paddingToken = try reader.optionalInteger("pad_token_id", in: -vocabularySize...vocabularySize - 1).map {
      [vocabularySize] in $0 < 0 ? $0 + vocabularySize : $0
    }

    rope = try Rope(reader)
    inverseFrequencies = rope.inverseFrequencies(headDimension: headDimension)
    let layout = ParameterLayout(
      vocabularySize: vocabularySize, width: width, layerCount: layerCount, queryWidth: headCount * headDimension,
      keyValueWidth: keyValueHeadCount * headDimension, mlpWidth: mlpWidth, tiesEmbeddings: tiesEmbeddings,
      attentionBias: attentionBias, outputBias: outputBias, mlpBias: mlpBias)
    parameters = layout.parameters
    parameterCount = layout.parameters.reduce(0) { $0 + $1.count }
    bufferCount = layout.bufferCount
  }

  private static func architecture(_ reader: ConfigurationReader) throws -> String {
    let known = "known are \(knownArchitectures.joined(separator: ", "))"
    guard let value = reader.value("architectures") else {
      throw reader.failure("architectures", "is missing; \(known)")
    }
    guard let names = value.array, let name = names.first?.string else {
      throw reader.failure(
        "architectures", "must be a list of names, found \(ConfigurationReader.text(value)); \(known)")
    }
    guard knownArchitectures.contains(name) else {
      throw reader.failure("architectures", "names \(name), which is not supported; \(known)")
    }
    return name
  }

  /// What transformers takes for a model whose file does not say.
  private static func standardLength(_ architecture: String) -> Int {
    switch architecture {
    case "MistralForCausalLM": 131_072
    case "Qwen2ForCausalLM": 32_768
    default: 2_048
    }
  }

  private static func refuseUnsupported(_ reader: ConfigurationReader, _ architecture: String) throws {
    if let quantization = reader.value("quantization_config") {
      let method = quantization["quant_method"]?.string.map { " (\($0))" } ?? ""
      throw reader.failure(
        "quantization_config", "is set\(method): quantised weights cannot be trained; use the unquantised model")
    }
    if let activation = try reader.optionalString("hidden_act"), activation != "silu" {
      throw reader.failure("hidden_act", "must be silu, found \(activation)")
    }
    let windowless = "must be null: sliding-window attention is not supported"
    switch architecture {
    case "MistralForCausalLM":
      // Without the key transformers takes a window of 4,096 tokens.
      guard reader.object["sliding_window"]?.isNull == true else {
        throw reader.failure("sliding_window", windowless)
      }
    case "Qwen2ForCausalLM":
      if try reader.flag("use_sliding_window", default: false) {
        throw reader.failure("use_sliding_window", "must be false: sliding-window attention is not supported")
      }
    default:
      if reader.value("sliding_window") != nil { throw reader.failure("sliding_window", windowless) }
    }
    if let kinds = reader.value("layer_types")?.array,
      let kind = kinds.first(where: { $0.string != "full_attention" })
    {
      throw reader.failure("layer_types", "may only list full_attention, found \(ConfigurationReader.text(kind))")
    }
  }
}

extension Rope {
  /// Reads `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (transformers 4).
  init(_ top: ConfigurationReader) throws {
    var theta = try top.optionalNumber("rope_theta")
    var scaling = Scaling.none
    if let key = ["rope_parameters", "rope_scaling"].first(where: { top.value($0) != nil }), let object = top.value(key)
    {
      guard case .object = object else { throw top.failure(key, "must be an object, found \(object.kind)") }
      let reader = ConfigurationReader(object: object, place: top.place, prefix: "\(key).")
      theta = try reader.optionalNumber("rope_theta") ?? theta
      // "type" is the name that files before transformers 4.45 used.
      let kind = try reader.optionalString("rope_type") ?? reader.optionalString("type") ?? "default"
      switch kind {
      case "default": break
      case "llama3":
        let low = try reader.number("low_freq_factor")
        let high = try reader.number("high_freq_factor")
        guard high > low else {
          throw reader.failure("high_freq_factor", "(\(high)) must be above low_freq_factor (\(low))")
        }
        scaling = .llama3(
          factor: try reader.number("factor"), lowFrequencyFactor: low, highFrequencyFactor: high,
          originalLength: try reader.number("original_max_position_embeddings"))
      default: throw reader.failure("rope_type", "is \(kind), which is not supported; known are default, llama3")
      }
      try Self.refusePartial(reader)
    }
    try Self.refusePartial(top)
    self.init(theta: theta ?? 10_000, scaling: scaling)
  }

  private static func refusePartial(_ reader: ConfigurationReader) throws {
    if let share = try reader.optionalNumber("partial_rotary_factor"), share != 1 {
      throw reader.failure("partial_rotary_factor", "must be 1, found \(share)")
    }
  }
}
