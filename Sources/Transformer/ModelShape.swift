import ModelDescription

/// The widths of one layer and where its tensors begin in the flat parameter buffer; the gradient buffer has the same
/// layout.
///
/// Query, key and value weights stand one after the other and so do gate and up, so that each group is one GEMM.
struct ModelShape {
  struct Layer {
    /// All of the layer's tensors.
    let range: Range<Int>
    let inputNorm: Int
    let qkv: Int
    let qkvBias: Int?
    let output: Int
    let outputBias: Int?
    let postNorm: Int
    let gateUp: Int
    let gateUpBias: Int?
    let down: Int
    let downBias: Int?
  }

  let width: Int
  let heads: Int
  let keyValueHeads: Int
  let headWidth: Int
  let mlpWidth: Int
  let vocabulary: Int
  let epsilon: Float
  let layers: [Layer]
  let finalNorm: Int
  let embedding: Int
  /// The head's matrix; the embedding's when they are tied.
  let head: Int
  let tied: Bool
  /// The token whose embedding gets no gradient through the input.
  let paddingToken: Int?

  /// Width of the attention's output and of the queries.
  var queryWidth: Int { heads * headWidth }
  /// Width of a row of queries, keys and values.
  var qkvWidth: Int { (heads + 2 * keyValueHeads) * headWidth }
  /// Query heads that share one key and value head.
  var group: Int { heads / keyValueHeads }

  init(_ description: ModelDescription) {
    var offsets: [String: Int] = [:]
    var ends: [String: Int] = [:]
    for parameter in description.parameters {
      offsets[parameter.name] = parameter.offset
      ends[parameter.name] = parameter.offset + parameter.count
    }
    width = description.width
    heads = description.headCount
    keyValueHeads = description.keyValueHeadCount
    headWidth = description.headDimension
    mlpWidth = description.mlpWidth
    vocabulary = description.vocabularySize
    epsilon = description.normEpsilon
    tied = description.tiesEmbeddings
    paddingToken = description.paddingToken
    finalNorm = offsets["model.norm.weight"]!
    embedding = offsets["model.embed_tokens.weight"]!
    head = tied ? embedding : offsets["lm_head.weight"]!
    layers = (0..<description.layerCount).map { index in
      let prefix = "model.layers.\(index)."
      let names = offsets.keys.filter { $0.hasPrefix(prefix) }
      func adjacent(_ names: [String]) -> Int? {
        guard let first = offsets[prefix + names[0]] else { return nil }
        for (name, next) in zip(names, names.dropFirst()) {
          precondition(ends[prefix + name] == offsets[prefix + next], "\(prefix)\(next) does not follow \(name)")
        }
        return first
      }
      let attention = ["q_proj", "k_proj", "v_proj"].map { "self_attn.\($0)" }
      let mlp = ["gate_proj", "up_proj"].map { "mlp.\($0)" }
      return Layer(
        range: names.map { offsets[$0]! }.min()!..<names.map { ends[$0]! }.max()!,
        inputNorm: offsets[prefix + "input_layernorm.weight"]!,
        qkv: adjacent(attention.map { $0 + ".weight" })!, qkvBias: adjacent(attention.map { $0 + ".bias" }),
        output: offsets[prefix + "self_attn.o_proj.weight"]!, outputBias: offsets[prefix + "self_attn.o_proj.bias"],
        postNorm: offsets[prefix + "post_attention_layernorm.weight"]!,
        gateUp: adjacent(mlp.map { $0 + ".weight" })!, gateUpBias: adjacent(mlp.map { $0 + ".bias" }),
        down: offsets[prefix + "mlp.down_proj.weight"]!, downBias: offsets[prefix + "mlp.down_proj.bias"])
    }
  }
}
