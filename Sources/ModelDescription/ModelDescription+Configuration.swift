import OrderedJSON
import RunFolder

extension ModelDescription {
  /// Architectures that ``init(configuration:place:)`` reads.
  package static var knownArchitectures: [String] { Architecture.known.keys.sorted() }

  /// Reads a `config.json` as transformers 4 or 5 writes it.
  ///
  /// A key that is missing means what it means to transformers' configuration class of that architecture, but for the
  /// sizes that every published file states (`vocab_size`, `hidden_size`, `num_hidden_layers`, `num_attention_heads`) and
  /// the ids of special tokens, which are none when they are missing.
  /// - Parameter place: the file, for messages.
  /// - Throws: ``TregError`` (65) naming the key, when a value is missing, out of range, or asks for something that is not
  ///   known: another architecture, activation or rotary scaling, quantised weights.
  package init(configuration: JSONValue, place: String) throws {
    guard case .object = configuration else {
      throw TregError.badData(at: place, "expected an object, found \(configuration.kind)")
    }
    var reader = ConfigurationReader(object: configuration, place: place)
    let name = try Self.architectureName(reader)
    let architecture = Architecture.known[name]!
    reader.standards = architecture.standards
    reader.aliases = architecture.aliases
    if let quantization = reader.value("quantization_config") {
      let method = quantization["quant_method"]?.string.map { " (\($0))" } ?? ""
      throw reader.failure(
        "quantization_config", "is set\(method): quantised weights cannot be trained; use the unquantised model")
    }

    self.architecture = name
    vocabularySize = try reader.integer("vocab_size", in: 1...(1 << 24))
    width = try reader.integer("hidden_size", in: 1...(1 << 17))
    layerCount = try reader.integer("num_hidden_layers", in: 1...4096)
    headCount = try reader.integer("num_attention_heads", in: 1...4096)
    mlpWidth = try reader.optionalInteger("intermediate_size", in: 1...(1 << 20)) ?? 4 * width
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
    maximumLength = try reader.integer("max_position_embeddings", in: 1...(1 << 30))
    rotaryDimension = headDimension
    norm.epsilon = Float(try reader.number("rms_norm_eps"))
    tiesEmbeddings = try reader.flag("tie_word_embeddings", default: false)
    beginToken = try reader.tokens("bos_token_id").first
    endTokens = try reader.tokens("eos_token_id")
    // As torch.nn.Embedding reads padding_idx: negative ones count from the end.
    paddingToken = try reader.optionalInteger("pad_token_id", in: -vocabularySize...vocabularySize - 1).map {
      [vocabularySize] in $0 < 0 ? $0 + vocabularySize : $0
    }
    layers = Array(
      repeating: LayerTraits(window: nil, rope: 0, attentionScale: 1 / Float(headDimension).squareRoot()),
      count: layerCount)

    try architecture.adjust(&self, reader)

    let layout = ParameterLayout(self)
    parameters = layout.parameters
    parameterCount = layout.parameters.reduce(0) { $0 + $1.count }
    bufferCount = layout.bufferCount
  }

  /// The first of `architectures`, else the class that transformers makes for `model_type`.
  private static func architectureName(_ reader: ConfigurationReader) throws -> String {
    let known = "known are \(knownArchitectures.joined(separator: ", "))"
    guard let value = reader.value("architectures") else {
      guard let type = try reader.optionalString("model_type") else {
        throw reader.failure("architectures", "is missing; \(known)")
      }
      guard let name = Architecture.namesByModelType[type] else {
        throw reader.failure("model_type", "is \(type), which is not supported\(remark(reader)); \(known)")
      }
      return name
    }
    guard let names = value.array, let name = names.first?.string else {
      throw reader.failure(
        "architectures", "must be a list of names, found \(ConfigurationReader.text(value)); \(known)")
    }
    guard Architecture.known[name] != nil else {
      throw reader.failure("architectures", "names \(name), which is not supported\(remark(reader)); \(known)")
    }
    return name
  }

  /// What kind of model a file describes that cannot be read, and what its owner can do.
  private static func remark(_ reader: ConfigurationReader) -> String {
    if let text = reader.value("text_config") {
      guard let name = text["model_type"]?.string.flatMap({ Architecture.namesByModelType[$0] }) else {
        return " (it holds more than a language model)"
      }
      return
        " (it holds more than a language model; the \(name) inside it can be trained once it is a folder of its own)"
    }
    let expertKeys = ["num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts", "num_experts_per_tok"]
    if expertKeys.contains(where: { reader.value($0) != nil }) { return " (a mixture of experts)" }
    if reader.value("is_encoder_decoder")?.bool == true { return " (an encoder with a decoder)" }
    return ""
  }
}

// MARK: Parts that several architectures share

extension ModelDescription {
  /// One rotary embedding for all layers.
  mutating func readRope(_ reader: ConfigurationReader, standardTheta: Double = 10_000) throws {
    guard !reader.nestsRopes else {
      throw reader.failure("rope_parameters", "differ by layer type, which \(architecture) does not know")
    }
    rotaryDimension = try reader.rotaryDimension(of: headDimension)
    ropes = [try Rope(reader, standardTheta: standardTheta, maximumLength: maximumLength, dimension: rotaryDimension)]
    stretchContext()
  }

  /// Texts may be as long as the rotary embedding was stretched to.
  mutating func stretchContext() {
    for rope in ropes {
      switch rope.scaling {
      case .linear(let factor): maximumLength = max(maximumLength, Rope.tokens(Double(maximumLength) * factor))
      case .dynamic(let factor, let trained): maximumLength = max(maximumLength, Rope.tokens(Double(trained) * factor))
      case .yarn(let yarn): maximumLength = max(maximumLength, Rope.tokens(yarn.originalLength * yarn.factor))
      case .none, .llama3, .longrope: break
      }
    }
  }

  mutating func readActivation(_ reader: ConfigurationReader, key: String = "hidden_act") throws {
    let name = try reader.optionalString(key) ?? "silu"
    let names: [String: Activation] = [
      "silu": .silu, "swish": .silu, "gelu_pytorch_tanh": .geluTanh, "gelu_new": .geluTanh, "gelu_fast": .geluTanh,
      "gelu": .gelu,
    ]
    guard let activation = names[name] else {
      throw reader.failure(key, "must be one of \(names.keys.sorted().joined(separator: ", ")), found \(name)")
    }
    self.activation = activation
  }

  /// `attention_bias` means all four projections of attention.
  mutating func readBiases(_ reader: ConfigurationReader) throws {
    outputBias = try reader.flag("attention_bias", default: false)
    attentionBias = outputBias
    mlpBias = try reader.flag("mlp_bias", default: false)
  }

  /// Every layer looks back as far as `sliding_window` says, if it says anything.
  mutating func readWindow(_ reader: ConfigurationReader) throws {
    guard let window = try reader.optionalInteger("sliding_window", in: 1...(1 << 30)) else { return }
    for index in layers.indices { layers[index].window = window }
  }

  /// Layers that `layer_types` calls `sliding_attention` look back as far as `sliding_window` says.
  ///
  /// - Parameter standard: whether layer `index` slides in a file that has no `layer_types`.
  /// - Returns: for each layer whether it slides.
  @discardableResult
  mutating func readLayerTypes(
    _ reader: ConfigurationReader, window: Int?, standard: (_ index: Int) -> Bool
  ) throws -> [Bool] {
    var slides = (0..<layerCount).map(standard)
    if let value = reader.value("layer_types") {
      guard let names = value.array, names.count == layerCount else {
        throw reader.failure("layer_types", "must list \(layerCount) layers, found \(ConfigurationReader.text(value))")
      }
      slides = try names.map { name in
        switch name.string {
        case "sliding_attention": true
        case "full_attention": false
        default:
          throw reader.failure(
            "layer_types",
            "may list full_attention and sliding_attention, found \(ConfigurationReader.text(name))")
        }
      }
    }
    for (index, isSliding) in slides.enumerated() where isSliding { layers[index].window = window }
    return slides
  }
}
