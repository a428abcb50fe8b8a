import ModelDescription
import OrderedJSON
import RunFolder

/// Makes a `config.json` out of a GGUF file's metadata.
struct GGUFConfiguration {
  let file: GGUFFile
  /// `general.architecture`, the prefix of the keys.
  let name: String
  let architecture: GGUFArchitecture
  let window: Int?
  let width: Int
  let layerCount: Int
  let headCount: Int
  let headDimension: Int
  var members: JSONObject = [:]
  /// Whether the output matrix is the embedding once more, as old files of GPT-2 have it.
  var hasRepeatedOutput = false

  func key(_ suffix: String) -> String { "\(name).\(suffix)" }

  /// Reads what all architectures share.
  init(_ file: GGUFFile, name: String, architecture: GGUFArchitecture, window: Int?) throws {
    self.file = file
    self.name = name
    self.architecture = architecture
    self.window = window
    func positive(_ suffix: String) throws -> Int {
      let key = "\(name).\(suffix)"
      let value = try file.required(file.integer(key), key)
      // A list is made of the layers, before anything else is compared with the file.
      let most = suffix == "block_count" ? 4096 : 1 << 24
      guard value > 0, value <= most else {
        throw file.failure("metadata \(key) must lie in 1…\(most), found \(value)")
      }
      return value
    }
    width = try positive("embedding_length")
    layerCount = try positive("block_count")
    headCount = try positive("attention.head_count")
    headDimension = try file.integer("\(name).attention.key_length") ?? width / headCount
    if let values = try file.integer("\(name).attention.value_length"), values != headDimension {
      throw file.failure(
        "metadata \(name).attention.value_length is \(values), expected attention.key_length's \(headDimension)")
    }
    guard let embedding = file.shape(of: "token_embd.weight"), embedding.count == 2 else {
      throw file.failure("tensor token_embd.weight is missing or not a matrix")
    }

    members = ["architectures": [.string(architecture.className)], "model_type": .string(architecture.modelType)]
    set("bos_token_id", try file.integer("tokenizer.ggml.bos_token_id"))
    set("eos_token_id", try file.integer("tokenizer.ggml.eos_token_id"))
    // Named even when there is none: configuration classes have standards of their own.
    members["pad_token_id"] = try file.integer("tokenizer.ggml.padding_token_id").map(JSONValue.integer) ?? .null
    members["tie_word_embeddings"] = .bool(file.shape(of: "output.weight") == nil)
    members["torch_dtype"] = "float32"
    members["use_cache"] = true
    set("vocab_size", embedding[0])
  }

  private mutating func set(_ key: String, _ value: Int?) {
    if let value { members[key] = .integer(value) }
  }

  /// Reads what differs between architectures.
  mutating func addFamily() throws {
    if name == "gpt2" { return try addGPT2() }
    try addCommonDecoder()
    switch name {
    case "gemma", "gemma2", "gemma3": try addGemma()
    case "granite": try addGranite()
    case "phi3": try addPhi3()
    case "qwen2", "qwen3": members["use_sliding_window"] = false
    case "smollm3": addSmolLM3()
    default:
      if let window, window > 0 { set("sliding_window", window) }
    }
  }

  /// Whether the first layer has a bias in that module.
  private func hasBias(_ module: String) -> Bool { file.shape(of: "blk.0.\(module).bias") != nil }

  private mutating func addCommonDecoder() throws {
    if !["qwen2", "phi3"].contains(name) { members["attention_bias"] = .bool(hasBias("attn_q")) }
    if ["llama", "granite", "smollm3"].contains(name) { members["mlp_bias"] = .bool(hasBias("ffn_gate")) }
    members["attention_dropout"] = 0.0
    set("head_dim", headDimension)
    members["hidden_act"] = "silu"
    set("hidden_size", width)
    set(
      "intermediate_size", try file.required(file.integer(key("feed_forward_length")), key("feed_forward_length")))
    set("max_position_embeddings", try file.required(file.integer(key("context_length")), key("context_length")))
    set("num_attention_heads", headCount)
    set("num_hidden_layers", layerCount)
    set("num_key_value_heads", try file.integer(key("attention.head_count_kv")) ?? headCount)
    let epsilonKey = key("attention.layer_norm_rms_epsilon")
    members["rms_norm_eps"] = .number(try file.required(file.number(epsilonKey), epsilonKey))
    try addRope()
  }

  private mutating func addGemma() throws {
    members["hidden_act"] = "gelu_pytorch_tanh"
    members["hidden_activation"] = "gelu_pytorch_tanh"
    guard name != "gemma" else { return }
    // Of each generation the largest model divides by the width of a head's share instead (27 billion parameters).
    let largest = name == "gemma2" ? 46 : 62
    set("query_pre_attn_scalar", layerCount == largest ? width / headCount : headDimension)
    func cap(_ suffix: String) throws -> JSONValue {
      guard let value = try file.number(key(suffix)), value != 0 else { return .null }
      return .number(value)
    }
    members["attn_logit_softcapping"] = name == "gemma2" ? try cap("attn_logit_softcapping") : .null
    members["final_logit_softcapping"] = try cap("final_logit_softcapping")
    let standardWindow = name == "gemma2" ? 4096 : 0
    let window = window ?? standardWindow
    members["sliding_window"] = window > 0 ? .integer(window) : .null
    members["layer_types"] = .array(
      try slidingLayers(hasWindow: window > 0).map { .string($0 ? "sliding_attention" : "full_attention") })
    if name == "gemma3" {
      members["rope_local_base_freq"] = .number(try file.number(key("rope.freq_base_swa")) ?? 10_000)
    }
  }

  /// Every second (Gemma 2) or sixth (Gemma 3) layer sees everything, unless the file says which do.
  private func slidingLayers(hasWindow: Bool) throws -> [Bool] {
    guard hasWindow else { return Array(repeating: false, count: layerCount) }
    let patternKey = key("attention.sliding_window_pattern")
    if case .bools(let flags) = file.metadata[patternKey] {
      guard flags.count == layerCount else {
        throw file.failure("metadata \(patternKey) has \(flags.count) entries, expected \(layerCount)")
      }
      return flags
    }
    let pattern = try file.integer(patternKey) ?? (name == "gemma2" ? 2 : 6)
    guard pattern > 0 else { throw file.failure("metadata \(patternKey) must be positive, found \(pattern)") }
    return (0..<layerCount).map { ($0 + 1) % pattern != 0 }
  }

  private mutating func addGranite() throws {
    for (member, suffix) in [
      ("attention_multiplier", "attention.scale"), ("embedding_multiplier", "embedding_scale"),
      ("residual_multiplier", "residual_scale"), ("logits_scaling", "logit_scale"),
    ] {
      let value = try file.number(key(suffix)) ?? 0
      // Without its key, attention is scaled as everywhere.
      let standard = suffix == "attention.scale" ? 1 / Double(headDimension).squareRoot() : 1
      members[member] = .number(value == 0 ? standard : value)
    }
  }

  private mutating func addPhi3() throws {
    members["sliding_window"] = (window ?? 0) > 0 ? .integer(window!) : .null
    let rotated = try file.integer(key("rope.dimension_count")) ?? headDimension
    if rotated != headDimension { members["partial_rotary_factor"] = .number(Double(rotated) / Double(headDimension)) }
  }

  /// The format has no key for layers without positions; llama.cpp knows that every fourth is one.
  private mutating func addSmolLM3() {
    members["no_rope_layer_interval"] = 4
    members["no_rope_layers"] = .array((0..<layerCount).map { .integer(($0 + 1) % 4 == 0 ? 0 : 1) })
    members["use_sliding_window"] = false
  }

  private mutating func addGPT2() throws {
    members["activation_function"] = "gelu_new"
    let epsilonKey = key("attention.layer_norm_epsilon")
    members["layer_norm_epsilon"] = .number(try file.required(file.number(epsilonKey), epsilonKey))
    set("n_embd", width)
    set("n_head", headCount)
    set("n_inner", try file.required(file.integer(key("feed_forward_length")), key("feed_forward_length")))
    set("n_layer", layerCount)
    set("n_positions", try file.required(file.integer(key("context_length")), key("context_length")))
    if file.shape(of: "output.weight") != nil,
      file.shape(of: "output.weight") == file.shape(of: "token_embd.weight"),
      try file.values(of: "output.weight") == file.values(of: "token_embd.weight")
    {
      hasRepeatedOutput = true
      members["tie_word_embeddings"] = true
    }
  }
}
