import CKernels
import ModelDescription

/// The widths of one layer and where its tensors begin in the flat parameter buffer; the gradient buffer has the same
/// layout.
///
/// Query, key and value weights stand one after the other and so do gate and up, so that each group is one GEMM.
struct ModelShape {
  /// Offsets; nil where the model has no such tensor.
  struct Layer {
    /// All of the layer's tensors.
    let range: Range<Int>
    let attentionNorm, attentionNormBias: Int?
    let qkv: Int
    let qkvBias, queryNorm, keyNorm: Int?
    let output: Int
    let outputBias, outputNorm: Int?
    let mlpNorm, mlpNormBias: Int?
    let mlpInput: Int
    let mlpInputBias: Int?
    let mlpOutput: Int
    let mlpOutputBias, mlpOutputNorm: Int?
    let attention: TreeAttention.Traits
    /// Index of the layer's rotary table.
    let rope: Int?
  }

  let model: ModelDescription
  let layers: [Layer]
  let finalNorm: Int
  let finalNormBias: Int?
  let embedding: Int
  let positions: Int?
  /// The head's matrix; the embedding's when they are tied.
  let head: Int

  var width: Int { model.width }
  var heads: Int { model.headCount }
  var keyValueHeads: Int { model.keyValueHeadCount }
  var headWidth: Int { model.headDimension }
  var mlpWidth: Int { model.mlpWidth }
  /// Outputs of the MLP's first product.
  var mlpInputWidth: Int { model.mlpInputWidth }
  var vocabulary: Int { model.vocabularySize }
  /// Width of the attention's output and of the queries.
  var queryWidth: Int { model.queryWidth }
  /// Width of a row of queries and keys, which may be normalised.
  var queryKeyWidth: Int { model.queryWidth + model.keyValueWidth }
  /// Width of a row of queries, keys and values.
  var qkvWidth: Int { model.queryWidth + 2 * model.keyValueWidth }
  var activation: tk_activation { tk_activation(UInt32(model.activation.rawValue)) }

  init(_ model: ModelDescription) {
    self.model = model
    // A block's first tensor tells where it begins; the description lays the rest behind it.
    func offset(_ role: Parameter.Role, in parameters: some Sequence<Parameter>) -> Int? {
      parameters.first { $0.role == role }?.offset
    }
    finalNorm = offset(.finalNorm, in: model.parameters)!
    finalNormBias = offset(.finalNormBias, in: model.parameters)
    embedding = offset(.embedding, in: model.parameters)!
    positions = offset(.positions, in: model.parameters)
    head = offset(.head, in: model.parameters) ?? embedding
    let byLayer = Dictionary(grouping: model.parameters.filter { $0.layer != nil }) { $0.layer! }
    layers = (0..<model.layerCount).map { index in
      let own = byLayer[index]!
      func start(_ role: Parameter.Role) -> Int? { offset(role, in: own) }
      let traits = model.layers[index]
      return Layer(
        range: own.first!.offset..<own.last!.range.upperBound,
        attentionNorm: start(.attentionNorm), attentionNormBias: start(.attentionNormBias),
        qkv: start(.queryKeyValue)!, qkvBias: start(.queryKeyValueBias), queryNorm: start(.queryNorm),
        keyNorm: start(.keyNorm), output: start(.attentionOutput)!, outputBias: start(.attentionOutputBias),
        outputNorm: start(.attentionOutputNorm), mlpNorm: start(.mlpNorm), mlpNormBias: start(.mlpNormBias),
        mlpInput: start(.mlpInput)!, mlpInputBias: start(.mlpInputBias), mlpOutput: start(.mlpOutput)!,
        mlpOutputBias: start(.mlpOutputBias), mlpOutputNorm: start(.mlpOutputNorm),
        attention: TreeAttention.Traits(
          scale: traits.attentionScale, cap: model.scoreCap ?? 0, window: traits.window),
        rope: traits.rope)
    }
  }
}
