import Foundation
import ModelDescription
import OrderedJSON
import RunFolder
import Testing

/// A small valid configuration; tests change one thing at a time.
func configuration(_ changes: [String: JSONValue] = [:], removing removed: [String] = []) -> JSONValue {
  guard
    case .object(var members) = [
      "architectures": ["LlamaForCausalLM"], "vocab_size": 100, "hidden_size": 24, "intermediate_size": 40,
      "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-5,
      "rope_theta": 10000.0, "tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": [2, 3],
      "torch_dtype": "bfloat16",
    ] as JSONValue
  else { fatalError("a literal") }
  for (key, value) in changes { members[key] = value }
  for key in removed { members[key] = nil }
  return .object(members)
}

@Suite struct ModelDescriptionTests {
  func describe(_ changes: [String: JSONValue] = [:], removing removed: [String] = []) throws -> ModelDescription {
    try ModelDescription(configuration: configuration(changes, removing: removed), place: "config.json")
  }

  @Test func readsALlama() throws {
    let model = try describe()
    #expect(model.vocabularySize == 100 && model.width == 24 && model.layerCount == 2 && model.headDimension == 6)
    #expect(model.keyValueHeadCount == 2 && model.queryWidth == 24 && model.keyValueWidth == 12)
    #expect(model.tiesEmbeddings && !model.attentionBias && !model.outputBias && !model.mlpBias)
    #expect(model.beginToken == 1 && model.endTokens == [2, 3] && model.norm.epsilon == 1e-5)
    #expect(model.ropes == [Rope(theta: 10000)])
    #expect(try describe(removing: ["num_key_value_heads"]).keyValueHeadCount == 4)
    #expect(try describe(["head_dim": 8]).queryWidth == 32)
    #expect(try describe(["head_dim": .null]).headDimension == 6)
  }

  @Test func readsRopeOfBothGenerations() throws {
    let scaling: JSONValue = [
      "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
      "original_max_position_embeddings": 8192,
    ]
    let expected = Rope(
      theta: 500_000,
      scaling: .llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalLength: 8192))
    #expect(try describe(["rope_theta": 500_000, "rope_scaling": scaling]).ropes == [expected])
    guard case .object(var five) = scaling else { return }
    five["rope_theta"] = 500_000.0
    #expect(try describe(["rope_parameters": .object(five)], removing: ["rope_theta"]).ropes == [expected])
    five["type"] = five["rope_type"]
    five["rope_type"] = nil
    #expect(try describe(["rope_parameters": .object(five)], removing: ["rope_theta"]).ropes == [expected])
    #expect(
      try describe(["rope_parameters": ["rope_type": "default", "rope_theta": 1e6]], removing: ["rope_theta"]).ropes
        == [Rope(theta: 1e6)])
  }

  @Test func readsRelatives() throws {
    let qwen = try describe([
      "architectures": ["Qwen2ForCausalLM"], "use_sliding_window": false, "sliding_window": 4096,
    ])
    #expect(qwen.attentionBias && !qwen.outputBias && !qwen.mlpBias)
    let mistral = try describe(["architectures": ["MistralForCausalLM"], "sliding_window": .null])
    #expect(!mistral.attentionBias)
    let biased = try describe(["attention_bias": true, "mlp_bias": true])
    #expect(biased.attentionBias && biased.outputBias && biased.mlpBias)
  }

  @Test func listsParametersInTheOrderOfBackward() throws {
    let tied = try describe()
    #expect(tied.parameters.first?.name == "model.norm.weight")
    #expect(tied.parameters.last?.name == "model.embed_tokens.weight")
    let untied = try describe(["tie_word_embeddings": false, "attention_bias": true, "mlp_bias": true])
    #expect(
      untied.parameters.prefix(3).map(\.name) == [
        "lm_head.weight", "model.norm.weight", "model.layers.1.mlp.down_proj.weight",
      ])
    #expect(untied.parameters.count == 3 + 2 * (9 + 7))
    for model in [tied, untied] {
      #expect(model.parameterCount == model.parameters.reduce(0) { $0 + $1.count })
      #expect(model.bufferCount >= model.parameterCount && model.bufferCount % 16 == 0)
      for (before, after) in zip(model.parameters, model.parameters.dropFirst()) {
        #expect(before.range.upperBound <= after.offset)
        let suffix = after.name.split(separator: ".").suffix(2).joined(separator: ".")
        let fused = ["k_proj.weight", "v_proj.weight", "up_proj.weight", "k_proj.bias", "v_proj.bias", "up_proj.bias"]
        if fused.contains(suffix) {
          #expect(before.range.upperBound == after.offset, "\(after.name) touches the tensor before it")
        } else {
          #expect(after.offset % 16 == 0, "\(after.name) is aligned")
        }
        #expect(after.decays == (after.kind == .matrix || after.kind == .embedding))
      }
    }
    #expect(untied.parameter(named: "model.layers.0.self_attn.k_proj.bias")?.shape == [12])
    #expect(untied.parameter(named: "model.layers.0.mlp.up_proj.weight")?.shape == [40, 24])
    #expect(untied.parameter(named: "model.layers.0.input_layernorm.weight")?.decays == false)
  }

  @Test func computesInverseFrequenciesAsTransformersDoes() throws {
    let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/rope.json")
    let cases = try #require(try JSONValue(parsing: Data(contentsOf: path)).array)
    #expect(cases.count == 7)
    for item in cases {
      let dimension = try #require(item["head_dim"]?.integer)
      let model = try describe(
        ["head_dim": .integer(dimension), "rope_parameters": try #require(item["rope_parameters"])],
        removing: ["rope_theta"])
      let expected = try #require(item["inverse_frequencies"]?.array?.compactMap { $0.double.map(Float.init) })
      #expect(model.ropes[0].inverseFrequencies(headDimension: model.rotaryDimension).count == expected.count)
      for (found, wanted) in zip(model.ropes[0].inverseFrequencies(headDimension: model.rotaryDimension), expected) {
        // PyTorch's vectorised power may round the other way: one unit in the last place, grown by the division.
        #expect(abs(found - wanted) <= 2 * wanted.ulp, "dimension \(dimension): \(found), expected \(wanted)")
      }
    }
  }

  @Test(
    arguments: [
      ("architectures", ["MixtralForCausalLM"], "names MixtralForCausalLM"), ("architectures", .null, "is missing"),
      ("architectures", "LlamaForCausalLM", "list of names"), ("vocab_size", .null, "vocab_size is missing"),
      ("vocab_size", 0, "vocab_size must lie in"), ("vocab_size", 9_223_372_036_854_775_807, "vocab_size must lie in"),
      ("hidden_size", "24", "hidden_size must be a whole number"),
      ("hidden_size", 25, "multiple of num_attention_heads"),
      ("num_key_value_heads", 3, "multiple of num_key_value_heads"), ("head_dim", 7, "even"),
      ("hidden_act", "relu", "hidden_act must be one of"), ("rms_norm_eps", -1.0, "rms_norm_eps must be a positive"),
      ("quantization_config", ["quant_method": "gptq"], "quantization_config is set (gptq)"),
      ("rope_scaling", ["type": "spiral", "factor": 2.0], "rope_scaling.rope_type is spiral"),
      ("rope_scaling", ["type": "linear"], "rope_scaling.factor is missing"),
      ("rope_scaling", ["type": "longrope", "short_factor": [1, 1, 1], "long_factor": [1]], "must list 3"),
      ("rope_scaling", ["rope_type": "llama3", "factor": 2.0], "rope_scaling.low_freq_factor is missing"),
      ("rope_parameters", [1], "rope_parameters must be an object"), ("partial_rotary_factor", 0.5, "leaves 3 of 6"),
      ("tie_word_embeddings", 1, "must be true or false"),
      ("eos_token_id", "x", "token id"),
    ] as [(String, JSONValue, String)])
  func namesWhatItCannotRead(key: String, value: JSONValue, message: String) {
    #expect {
      _ = try describe([key: value])
    } throws: { error in
      guard let error = error as? TregError else { return false }
      return error.exitCode == .badData && error.place == "config.json" && error.message.contains(message)
    }
  }

  /// One line that names the architecture, and what it is where the file tells.
  @Test(
    arguments: [
      (["architectures": ["MixtralForCausalLM"], "num_local_experts": 8], "MixtralForCausalLM", "mixture of experts"),
      (["architectures": ["Qwen2MoeForCausalLM"], "num_experts": 60], "Qwen2MoeForCausalLM", "mixture of experts"),
      (["architectures": ["Qwen3MoeForCausalLM"], "num_experts": 128], "Qwen3MoeForCausalLM", "mixture of experts"),
      (["architectures": ["DeepseekV3ForCausalLM"], "n_routed_experts": 256], "DeepseekV3ForCausalLM", "experts"),
      (["architectures": ["Qwen3NextForCausalLM"], "num_experts": 512], "Qwen3NextForCausalLM", "experts"),
      (["architectures": ["GraniteMoeForCausalLM"], "num_local_experts": 32], "GraniteMoeForCausalLM", "experts"),
      (["architectures": ["GPTNeoXForCausalLM"]], "GPTNeoXForCausalLM", "not supported"),
      (["architectures": ["FalconForCausalLM"]], "FalconForCausalLM", "not supported"),
      (["architectures": ["CohereForCausalLM"]], "CohereForCausalLM", "not supported"),
      (["architectures": ["Phi3SmallForCausalLM"]], "Phi3SmallForCausalLM", "not supported"),
      (["architectures": ["BertForMaskedLM"]], "BertForMaskedLM", "not supported"),
      (["architectures": ["LlamaForSequenceClassification"]], "LlamaForSequenceClassification", "not supported"),
      (
        ["architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": true], "T5ForConditionalGeneration",
        "an encoder with a decoder"
      ),
      (
        ["architectures": ["Llama4ForConditionalGeneration"], "text_config": ["model_type": "llama4_text"]],
        "Llama4ForConditionalGeneration", "more than a language model"
      ),
      (
        ["architectures": ["Gemma3nForConditionalGeneration"], "text_config": ["model_type": "gemma3n_text"]],
        "Gemma3nForConditionalGeneration", "more than a language model"
      ),
      (
        ["architectures": ["Gemma3ForConditionalGeneration"], "text_config": ["model_type": "gemma3_text"]],
        "Gemma3ForConditionalGeneration", "the Gemma3ForCausalLM inside it"
      ), (["architectures": .null, "model_type": "mixtral", "num_local_experts": 8], "mixtral", "experts"),
    ] as [([String: JSONValue], String, String)])
  func otherArchitecturesAreRefusedByName(changes: [String: JSONValue], name: String, remark: String) {
    #expect {
      _ = try describe(changes)
    } throws: { error in
      guard let error = error as? TregError, error.exitCode == .badData else { return false }
      return error.message.contains(name) && error.message.contains(remark) && !error.message.contains("\n")
    }
  }

  @Test func ofTwoRopesTheOldOneCounts() throws {
    let both: [String: JSONValue] = [
      "rope_scaling": ["type": "linear", "factor": 2], "rope_parameters": ["rope_type": "default", "rope_theta": 5.0],
    ]
    #expect(try describe(both).ropes == [Rope(theta: 10000, scaling: .linear(factor: 2))])
    let empty = both.merging(["rope_scaling": [:]]) { $1 }
    #expect(try describe(empty, removing: ["rope_theta"]).ropes == [Rope(theta: 5)])
  }

  @Test func readsWindows() throws {
    func windows(_ changes: [String: JSONValue]) throws -> [Int?] {
      try describe(changes).layers.map(\.window)
    }
    // What transformers takes for a Mistral whose file does not say.
    #expect(try windows(["architectures": ["MistralForCausalLM"]]) == [4096, 4096])
    #expect(try windows(["architectures": ["MistralForCausalLM"], "sliding_window": .null]) == [nil, nil])
    let qwen: [String: JSONValue] = [
      "architectures": ["Qwen2ForCausalLM"], "sliding_window": 7, "max_window_layers": 1, "use_sliding_window": true,
    ]
    #expect(try windows(qwen) == [nil, 7])
    #expect(try windows(qwen.merging(["use_sliding_window": false]) { $1 }) == [nil, nil])
    #expect(
      try windows(qwen.merging(["layer_types": ["sliding_attention", "full_attention"]]) { $1 }) == [7, nil])
    #expect(throws: TregError.self) { _ = try windows(qwen.merging(["layer_types": ["sliding_attention"]]) { $1 }) }
    #expect(throws: TregError.self) {
      _ = try windows(qwen.merging(["layer_types": ["chunked_attention", "full_attention"]]) { $1 })
    }
  }

  @Test func stretchesTheContext() throws {
    func length(_ scaling: JSONValue) throws -> Int {
      try describe(["max_position_embeddings": 1000, "rope_scaling": scaling]).maximumLength
    }
    #expect(try length(["type": "linear", "factor": 2.5]) == 2500)
    #expect(try length(["type": "dynamic", "factor": 4]) == 4000)
    #expect(try length(["type": "yarn", "factor": 4, "original_max_position_embeddings": 500]) == 2000)
  }

  @Test func whatIsNoObjectIsRefused() {
    #expect(throws: TregError.self) { _ = try ModelDescription(configuration: [1], place: "config.json") }
  }
}
