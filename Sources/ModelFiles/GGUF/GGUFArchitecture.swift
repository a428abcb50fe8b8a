/// What GGUF files of one architecture (`general.architecture`) hold, as llama.cpp's converter writes them.
///
/// Converters change weights on the way: rows of heads are reordered so that rotated pairs are neighbours, norms that count
/// from 1 are stored with the 1 added, GPT-2's matrices are turned. ``GGUFWeights`` undoes that.
struct GGUFArchitecture: Sendable {
  /// As transformers calls the model's class and its configuration.
  let className: String
  let modelType: String
  /// The file's name of a module in a layer → the module's name in a Hugging Face folder.
  let modules: [String: String]
  /// Names outside layers, with their suffix.
  var topLevel = commonTopLevel
  var layerPrefix = "model.layers."
  /// Whether pairs that are rotated together are neighbours in the file's query and key projections.
  var pairsNeighbours = false
  /// What files add to the weights of norms.
  var normShift: Float = 0
  /// Modules whose matrices Hugging Face files hold as `[inputs, outputs]`.
  var transposed: Set<String> = []
  /// Keys that say how this architecture's layers work; others that would change them are refused.
  var understood: Set<String> = []

  static let known: [String: GGUFArchitecture] = [
    "llama": llama(className: "LlamaForCausalLM", modelType: "llama"),
    "qwen2": GGUFArchitecture(className: "Qwen2ForCausalLM", modelType: "qwen2", modules: common),
    "qwen3": GGUFArchitecture(className: "Qwen3ForCausalLM", modelType: "qwen3", modules: common.adding(queryKeyNorms)),
    "smollm3": llama(className: "SmolLM3ForCausalLM", modelType: "smollm3"),
    "granite": llama(
      className: "GraniteForCausalLM", modelType: "granite",
      understood: ["attention.scale", "embedding_scale", "residual_scale", "logit_scale"]),
    "olmo2": GGUFArchitecture(
      className: "Olmo2ForCausalLM", modelType: "olmo2",
      modules: common.adding(queryKeyNorms).adding([
        "post_attention_norm": "post_attention_layernorm", "post_ffw_norm": "post_feedforward_layernorm",
      ])),
    "gemma": GGUFArchitecture(className: "GemmaForCausalLM", modelType: "gemma", modules: common, normShift: 1),
    "gemma2": GGUFArchitecture(
      className: "Gemma2ForCausalLM", modelType: "gemma2", modules: common.adding(normsAround), normShift: 1,
      understood: [
        "attention.sliding_window", "attention.sliding_window_pattern", "attn_logit_softcapping",
        "final_logit_softcapping",
      ]),
    "gemma3": GGUFArchitecture(
      className: "Gemma3ForCausalLM", modelType: "gemma3_text",
      modules: common.adding(normsAround).adding(queryKeyNorms), normShift: 1,
      understood: [
        "attention.sliding_window", "attention.sliding_window_pattern", "final_logit_softcapping", "rope.freq_base_swa",
      ]),
    "phi3": GGUFArchitecture(
      className: "Phi3ForCausalLM", modelType: "phi3",
      modules: common.adding(["attn_qkv": "self_attn.qkv_proj", "ffn_up": "mlp.gate_up_proj"]),
      understood: ["attention.sliding_window"]),
    "gpt2": GGUFArchitecture(
      className: "GPT2LMHeadModel", modelType: "gpt2",
      modules: [
        "attn_norm": "ln_1", "attn_qkv": "attn.c_attn", "attn_output": "attn.c_proj", "ffn_norm": "ln_2",
        "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj",
      ],
      topLevel: [
        "token_embd.weight": "transformer.wte.weight", "position_embd.weight": "transformer.wpe.weight",
        "output_norm.weight": "transformer.ln_f.weight", "output_norm.bias": "transformer.ln_f.bias",
        "output.weight": "lm_head.weight",
      ],
      layerPrefix: "transformer.h.", transposed: ["attn_qkv", "attn_output", "ffn_up", "ffn_down"]),
  ]

  /// Llama's converter also writes Mistral models; those with a window say so in the file.
  static func named(_ name: String, hasWindow: Bool) -> GGUFArchitecture? {
    guard name == "llama", hasWindow else { return known[name] }
    return llama(
      className: "MistralForCausalLM", modelType: "mistral", understood: ["attention.sliding_window"])
  }

  private static func llama(
    className: String, modelType: String, understood: Set<String> = []
  ) -> GGUFArchitecture {
    GGUFArchitecture(
      className: className, modelType: modelType, modules: common, pairsNeighbours: true, understood: understood)
  }

  private static let commonTopLevel = [
    "token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
  ]

  private static let common = [
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
  ]

  private static let queryKeyNorms = ["attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"]

  private static let normsAround = [
    "post_attention_norm": "post_attention_layernorm", "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
  ]
}

extension [String: String] {
  fileprivate func adding(_ others: [String: String]) -> [String: String] { merging(others) { $1 } }
}

extension GGUFArchitecture {
  /// `blk.3.ffn_gate.weight` → `model.layers.3.mlp.gate_proj.weight`; names without a counterpart stay.
  func huggingFaceName(_ name: String) -> String {
    if let whole = topLevel[name] { return whole }
    guard let (layer, module, suffix) = Self.parts(of: name), let renamed = modules[module] else { return name }
    return "\(layerPrefix)\(layer).\(renamed).\(suffix)"
  }

  /// How a tensor of the file differs from the one in a Hugging Face folder.
  func change(of name: String) -> Change {
    if name == "output_norm.weight" { return normShift == 0 ? .none : .shifted }
    guard let (_, module, suffix) = Self.parts(of: name) else { return .none }
    if normShift != 0, suffix == "weight", module.hasSuffix("_norm") { return .shifted }
    if pairsNeighbours, module == "attn_q" || module == "attn_k" { return .reordered }
    if suffix == "weight", transposed.contains(module) { return .transposed }
    return .none
  }

  enum Change {
    case none
    /// Norm weights with ``normShift`` added.
    case shifted
    /// Rows of heads with rotated pairs side by side.
    case reordered
    case transposed
  }

  private static func parts(of name: String) -> (layer: Int, module: String, suffix: String)? {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4, parts[0] == "blk", let layer = Int(parts[1]), layer >= 0, String(layer) == parts[1],
      parts[3] == "weight" || parts[3] == "bias"
    else { return nil }
    return (layer, String(parts[2]), String(parts[3]))
  }
}
