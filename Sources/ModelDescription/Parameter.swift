/// One tensor of a model and its place in the flat buffer that holds all of them.
///
/// The buffer lists tensors in the order in which the backward pass finishes their gradients, so that a prefix of the
/// gradient buffer can leave for other ranks while the rest is still being computed: the output matrix (when untied), the
/// last norm, layers L−1 … 0, the embeddings. Tensors of one role in one layer, such as the weights of query, key and
/// value, follow each other without a gap: each such block is the weight of one matrix product.
package struct Parameter: Sendable, Hashable {
  package enum Kind: String, Sendable, Hashable {
    case matrix, embedding, norm, bias
  }

  /// What the model does with a tensor.
  package enum Role: Sendable, Hashable {
    case embedding, positions, head, finalNorm, finalNormBias
    case attentionNorm, attentionNormBias, queryKeyValue, queryKeyValueBias, queryNorm, keyNorm
    case attentionOutput, attentionOutputBias, attentionOutputNorm
    case mlpNorm, mlpNormBias, mlpInput, mlpInputBias, mlpOutput, mlpOutputBias, mlpOutputNorm
    /// A and B of an adapter.
    case lowRankInput, lowRankOutput

    package var kind: Kind {
      switch self {
      case .embedding, .positions: .embedding
      case .head, .queryKeyValue, .attentionOutput, .mlpInput, .mlpOutput, .lowRankInput, .lowRankOutput: .matrix
      case .finalNorm, .attentionNorm, .queryNorm, .keyNorm, .attentionOutputNorm, .mlpNorm, .mlpOutputNorm: .norm
      case .finalNormBias, .attentionNormBias, .queryKeyValueBias, .attentionOutputBias, .mlpNormBias, .mlpInputBias,
        .mlpOutputBias:
        .bias
      }
    }
  }

  /// Name in a Hugging Face folder, such as `model.layers.3.mlp.up_proj.weight`.
  package let name: String
  /// `[outputs, inputs]` of a matrix, `[vocabulary, width]` of an embedding, `[width]` of a norm or bias.
  package let shape: [Int]
  /// Index of the first element in the flat buffer.
  package let offset: Int
  package let role: Role
  /// The layer it belongs to; nil for embeddings and the last norm.
  package let layer: Int?
  /// Whether files hold it as `[inputs, outputs]`.
  package let isStoredTransposed: Bool

  package init(
    name: String, shape: [Int], offset: Int, role: Role, layer: Int?, isStoredTransposed: Bool
  ) {
    self.name = name
    self.shape = shape
    self.offset = offset
    self.role = role
    self.layer = layer
    self.isStoredTransposed = isStoredTransposed
  }

  /// Starts of blocks are multiples of this many elements: 64 bytes of fp32, a cache line.
  package static let alignment = 16

  /// The first place of the flat buffer, from `place` on, where a block may start.
  static func aligned(_ place: Int) -> Int { (place + alignment - 1) / alignment * alignment }

  package var kind: Kind { role.kind }
  /// The shape in files.
  package var storedShape: [Int] { isStoredTransposed ? shape.reversed() : shape }
  package var count: Int { shape.reduce(1, *) }
  package var range: Range<Int> { offset..<(offset + count) }
  /// Whether weight decay applies: as in transformers, not to norms and biases.
  package var decays: Bool { kind == .matrix || kind == .embedding }
}

/// Lays tensors out one after the other.
struct ParameterLayout {
  private(set) var parameters: [Parameter] = []
  private var end = 0
  private var transposesMatrices = false

  /// Appends tensors of one role that must touch each other; the first is aligned.
  private mutating func append(_ role: Parameter.Role, _ block: [(name: String, shape: [Int])], layer: Int? = nil) {
    end = bufferCount
    for tensor in block {
      let parameter = Parameter(
        name: tensor.name, shape: tensor.shape, offset: end, role: role, layer: layer,
        isStoredTransposed: transposesMatrices && role.kind == .matrix && role != .head)
      end += parameter.count
      parameters.append(parameter)
    }
  }

  var bufferCount: Int { Parameter.aligned(end) }

  init(_ model: ModelDescription) {
    let names = TensorNames(model)
    transposesMatrices = model.naming == .gpt2
    let hasNormBias = model.norm.kind == .layer
    let width = model.width
    if !model.tiesEmbeddings { append(.head, [("lm_head.weight", [model.vocabularySize, width])]) }
    append(.finalNorm, [(names.finalNorm + ".weight", [width])])
    if hasNormBias { append(.finalNormBias, [(names.finalNorm + ".bias", [width])]) }
    for layer in (0..<model.layerCount).reversed() {
      let prefix = names.layers + "\(layer)."
      func add(
        _ role: Parameter.Role, _ block: [(name: String, shape: [Int])], bias: Parameter.Role? = nil,
        hasBias: Bool = false
      ) {
        append(role, block.map { (prefix + $0.name + ".weight", $0.shape) }, layer: layer)
        guard let bias, hasBias else { return }
        append(bias, block.map { (prefix + $0.name + ".bias", [$0.shape[0]]) }, layer: layer)
      }
      let placement = model.normPlacement
      if placement.isAfter { add(.mlpOutputNorm, [(names.mlpOutputNorm, [width])]) }
      add(.mlpOutput, [(names.mlpOutput, [width, model.mlpWidth])], bias: .mlpOutputBias, hasBias: model.mlpBias)
      add(.mlpInput, names.mlpInput(model), bias: .mlpInputBias, hasBias: model.mlpBias)
      if placement.isBefore { add(.mlpNorm, [(names.mlpNorm, [width])], bias: .mlpNormBias, hasBias: hasNormBias) }
      if placement.isAfter { add(.attentionOutputNorm, [(names.attentionOutputNorm, [width])]) }
      add(
        .attentionOutput, [(names.attentionOutput, [width, model.queryWidth])], bias: .attentionOutputBias,
        hasBias: model.outputBias)
      if let norm = model.queryKeyNorm {
        add(.queryNorm, [("self_attn.q_norm", [norm == .perHead ? model.headDimension : model.queryWidth])])
        add(.keyNorm, [("self_attn.k_norm", [norm == .perHead ? model.headDimension : model.keyValueWidth])])
      }
      add(.queryKeyValue, names.queryKeyValue(model), bias: .queryKeyValueBias, hasBias: model.attentionBias)
      if placement.isBefore {
        add(.attentionNorm, [(names.attentionNorm, [width])], bias: .attentionNormBias, hasBias: hasNormBias)
      }
    }
    if let positions = model.positionCount { append(.positions, [(names.positions, [positions, width])]) }
    append(.embedding, [(names.embedding, [model.vocabularySize, width])])
  }
}

/// Names of a family's tensors, without `.weight` and `.bias` inside layers.
private struct TensorNames {
  var embedding = "model.embed_tokens.weight"
  var positions = ""
  var finalNorm = "model.norm"
  var layers = "model.layers."
  var attentionNorm = "input_layernorm"
  var attentionOutput = "self_attn.o_proj"
  var attentionOutputNorm = "post_attention_layernorm"
  var mlpNorm = "post_attention_layernorm"
  var mlpOutput = "mlp.down_proj"
  var mlpOutputNorm = "post_feedforward_layernorm"

  init(_ model: ModelDescription) {
    if model.normPlacement == .around { mlpNorm = "pre_feedforward_layernorm" }
    guard model.naming == .gpt2 else { return }
    embedding = "transformer.wte.weight"
    positions = "transformer.wpe.weight"
    finalNorm = "transformer.ln_f"
    layers = "transformer.h."
    attentionNorm = "ln_1"
    attentionOutput = "attn.c_proj"
    mlpNorm = "ln_2"
    mlpOutput = "mlp.c_proj"
  }

  func queryKeyValue(_ model: ModelDescription) -> [(name: String, shape: [Int])] {
    let (queries, keys, width) = (model.queryWidth, model.keyValueWidth, model.width)
    return switch model.naming {
    case .separate:
      [
        ("self_attn.q_proj", [queries, width]), ("self_attn.k_proj", [keys, width]),
        ("self_attn.v_proj", [keys, width]),
      ]
    case .fused: [("self_attn.qkv_proj", [queries + 2 * keys, width])]
    case .gpt2: [("attn.c_attn", [queries + 2 * keys, width])]
    }
  }

  func mlpInput(_ model: ModelDescription) -> [(name: String, shape: [Int])] {
    let (inner, width) = (model.mlpWidth, model.width)
    return switch model.naming {
    case .separate where model.gatesMLP: [("mlp.gate_proj", [inner, width]), ("mlp.up_proj", [inner, width])]
    case .separate: [("mlp.up_proj", [inner, width])]
    case .fused: [("mlp.gate_up_proj", [2 * inner, width])]
    case .gpt2: [("mlp.c_fc", [inner, width])]
    }
  }
}
