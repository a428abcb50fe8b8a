/// One tensor of a model and its place in the flat buffer that holds all of them.
///
/// The buffer lists tensors in the order in which the backward pass finishes their gradients, so that a prefix of the
/// gradient buffer can leave for other ranks while the rest is still being computed: `lm_head` (when untied), `model.norm`,
/// layers L−1 … 0, `model.embed_tokens`. Inside a layer: down, gate and up projections, the norm before the MLP, the
/// attention's output, query, key and value projections, the norm before attention. The weights of query, key and value
/// follow each other without a gap, as do those of gate and up, and likewise their biases: each such block is the
/// weight of one matrix product.
package struct Parameter: Sendable, Hashable {
  package enum Kind: String, Sendable, Hashable {
    case matrix, embedding, norm, bias
  }

  /// Name in a Hugging Face folder, such as `model.layers.3.mlp.up_proj.weight`.
  package let name: String
  /// `[outputs, inputs]` of a matrix, `[vocabulary, width]` of an embedding, `[width]` of a norm or bias.
  package let shape: [Int]
  /// Index of the first element in the flat buffer.
  package let offset: Int
  package let kind: Kind
  /// The layer it belongs to; nil for embeddings and the last norm.
  package let layer: Int?

  /// Starts of blocks are multiples of this many elements: 64 bytes of fp32, a cache line.
  package static let alignment = 16

  package var count: Int { shape.reduce(1, *) }
  package var range: Range<Int> { offset..<(offset + count) }
  /// Whether weight decay applies: as in transformers, not to norms and biases.
  package var decays: Bool { kind == .matrix || kind == .embedding }
}

/// Lays tensors out one after the other.
struct ParameterLayout {
  private(set) var parameters: [Parameter] = []
  private var end = 0

  /// Appends tensors that must touch each other; the first is aligned.
  mutating func append(_ block: [(name: String, shape: [Int])], _ kind: Parameter.Kind, layer: Int? = nil) {
    end = bufferCount
    for tensor in block {
      let parameter = Parameter(name: tensor.name, shape: tensor.shape, offset: end, kind: kind, layer: layer)
      end += parameter.count
      parameters.append(parameter)
    }
  }

  var bufferCount: Int { (end + Parameter.alignment - 1) / Parameter.alignment * Parameter.alignment }
}

extension ParameterLayout {
  /// The layout of a Llama-family model; see ``Parameter`` for the order.
  init(
    vocabularySize: Int, width: Int, layerCount: Int, queryWidth: Int, keyValueWidth: Int, mlpWidth: Int,
    tiesEmbeddings: Bool, attentionBias: Bool, outputBias: Bool, mlpBias: Bool
  ) {
    self.init()
    if !tiesEmbeddings { append([("lm_head.weight", [vocabularySize, width])], .matrix) }
    append([("model.norm.weight", [width])], .norm)
    for layer in (0..<layerCount).reversed() {
      let prefix = "model.layers.\(layer)."
      func add(_ kind: Parameter.Kind, _ block: [(String, [Int])]) {
        append(block.map { (prefix + $0.0, $0.1) }, kind, layer: layer)
      }
      add(.matrix, [("mlp.down_proj.weight", [width, mlpWidth])])
      if mlpBias { add(.bias, [("mlp.down_proj.bias", [width])]) }
      add(
        .matrix,
        [("mlp.gate_proj.weight", [mlpWidth, width]), ("mlp.up_proj.weight", [mlpWidth, width])])
      if mlpBias { add(.bias, [("mlp.gate_proj.bias", [mlpWidth]), ("mlp.up_proj.bias", [mlpWidth])]) }
      add(.norm, [("post_attention_layernorm.weight", [width])])
      add(.matrix, [("self_attn.o_proj.weight", [width, queryWidth])])
      if outputBias { add(.bias, [("self_attn.o_proj.bias", [width])]) }
      add(
        .matrix,
        [
          ("self_attn.q_proj.weight", [queryWidth, width]), ("self_attn.k_proj.weight", [keyValueWidth, width]),
          ("self_attn.v_proj.weight", [keyValueWidth, width]),
        ])
      if attentionBias {
        add(
          .bias,
          [
            ("self_attn.q_proj.bias", [queryWidth]), ("self_attn.k_proj.bias", [keyValueWidth]),
            ("self_attn.v_proj.bias", [keyValueWidth]),
          ])
      }
      add(.norm, [("input_layernorm.weight", [width])])
    }
    append([("model.embed_tokens.weight", [vocabularySize, width])], .embedding)
  }
}
