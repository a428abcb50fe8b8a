import ModelDescription
import OrderedJSON
import RunFolder

extension GGUFFile {
  /// The `config.json` that the file's metadata describe, and the weights under their Hugging Face names.
  ///
  /// - Throws: ``TregError`` (65) naming the metadata key or tensor that is missing, or the architecture that is not known.
  func huggingFaceModel() throws -> (configuration: JSONValue, weights: GGUFWeights) {
    let architecture = try required(string("general.architecture"), "general.architecture")
    let known = ["llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM"]
    guard let className = known[architecture] else {
      throw failure(
        "architecture \(architecture) is not supported; known are \(known.keys.sorted().joined(separator: ", "))")
    }
    if let parts = try integer("split.count"), parts > 1 {
      throw failure("the file is one of \(parts) parts; merge them into one file first")
    }
    func key(_ suffix: String) -> String { "\(architecture).\(suffix)" }
    if let experts = try integer(key("expert_count")), experts > 0 {
      throw failure("the model is a mixture of \(experts) experts, which is not supported")
    }
    let width = try required(integer(key("embedding_length")), key("embedding_length"))
    let heads = try required(integer(key("attention.head_count")), key("attention.head_count"))
    guard width > 0, heads > 0 else {
      throw failure("metadata \(key("embedding_length")) and \(key("attention.head_count")) must be positive")
    }
    let headDimension = try integer(key("attention.key_length")) ?? width / heads
    if let rotated = try integer(key("rope.dimension_count")), rotated != headDimension {
      throw failure("metadata \(key("rope.dimension_count")) is \(rotated), expected the head's \(headDimension)")
    }
    guard let embedding = shape(of: "token_embd.weight"), embedding.count == 2 else {
      throw failure("tensor token_embd.weight is missing or not a matrix")
    }

    var members: JSONObject = ["architectures": [.string(className)]]
    func set(_ key: String, _ value: Int?) { if let value { members[key] = .integer(value) } }
    if architecture == "llama" {
      members["attention_bias"] = .bool(shape(of: "blk.0.attn_q.bias") != nil)
      members["mlp_bias"] = .bool(shape(of: "blk.0.ffn_gate.bias") != nil)
    }
    members["attention_dropout"] = 0.0
    set("bos_token_id", try integer("tokenizer.ggml.bos_token_id"))
    set("eos_token_id", try integer("tokenizer.ggml.eos_token_id"))
    set("head_dim", headDimension)
    members["hidden_act"] = "silu"
    set("hidden_size", width)
    set("intermediate_size", try required(integer(key("feed_forward_length")), key("feed_forward_length")))
    set("max_position_embeddings", try required(integer(key("context_length")), key("context_length")))
    members["model_type"] = .string(architecture)
    set("num_attention_heads", heads)
    set("num_hidden_layers", try required(integer(key("block_count")), key("block_count")))
    set("num_key_value_heads", try integer(key("attention.head_count_kv")) ?? heads)
    set("pad_token_id", try integer("tokenizer.ggml.padding_token_id"))
    let epsilonKey = key("attention.layer_norm_rms_epsilon")
    members["rms_norm_eps"] = .number(try required(number(epsilonKey), epsilonKey))
    members["rope_scaling"] = try ropeScaling(architecture, headDimension: headDimension)
    members["rope_theta"] = .number(try number(key("rope.freq_base")) ?? 10_000)
    members["tie_word_embeddings"] = .bool(shape(of: "output.weight") == nil)
    members["torch_dtype"] = "float32"
    members["use_cache"] = true
    set("vocab_size", embedding[0])

    let configuration = JSONValue.object(members)
    // Checks every size before the weights rely on them.
    let description = try ModelDescription(configuration: configuration, place: place)
    return (configuration, GGUFWeights(self, architecture: architecture, headDimension: description.headDimension))
  }

  /// The ids that a `generation_config.json` states.
  func generationConfiguration() throws -> JSONValue {
    var members: JSONObject = ["_from_model_config": true]
    for (name, key) in [("bos_token_id", "bos"), ("eos_token_id", "eos"), ("pad_token_id", "padding")] {
      if let token = try integer("tokenizer.ggml.\(key)_token_id") { members[name] = .integer(token) }
    }
    return .object(members)
  }

  /// The scaling of rotary positions. Llama 3.1 and later hide theirs in a tensor, by which every frequency is divided.
  private func ropeScaling(_ architecture: String, headDimension: Int) throws -> JSONValue {
    if let kind = try string("\(architecture).rope.scaling.type"), kind != "none" {
      throw failure("metadata \(architecture).rope.scaling.type is \(kind), which is not supported")
    }
    guard shape(of: "rope_freqs.weight") != nil else { return .null }
    let divisors = try values(of: "rope_freqs.weight")
    if divisors.allSatisfy({ $0 == 1 }) { return .null }
    let theta = try number("\(architecture).rope.freq_base") ?? 10_000
    let factor = Double(divisors.max() ?? 1)
    // Only the factor differs between the released models; the other three are Meta's.
    let scaling = Rope.Scaling.llama3(
      factor: factor, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalLength: 8192)
    let plain = Rope(theta: theta).inverseFrequencies(headDimension: headDimension)
    let scaled = Rope(theta: theta, scaling: scaling).inverseFrequencies(headDimension: headDimension)
    guard factor.isFinite, factor > 0, divisors.count == plain.count,
      zip(divisors, zip(plain, scaled)).allSatisfy({ abs($0 * $1.1 / $1.0 - 1) < 1e-4 })
    else { throw failure("tensor rope_freqs.weight is not the scaling of Llama 3, which is the only one supported") }
    return [
      "factor": .number(factor), "high_freq_factor": 4.0, "low_freq_factor": 1.0,
      "original_max_position_embeddings": 8192, "rope_type": "llama3",
    ]
  }
}
