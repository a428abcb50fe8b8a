/// The architecture and shapes of a decoder-only language model, read from its `config.json`; no tensors.
///
/// One description serves every family. A layer is
///
///     a = Attention(QKNorm(N(x)·W_qkv + b))·W_o + b        m = x + r·N(a)
///     h = MLP(N(m))                                        y = m + r·N(h)
///
/// where each norm N may be there or not (``NormPlacement``), and MLP is act(u·W_gate)∘(u·W_up)·W_down, or without a gate
/// act(u·W_up)·W_down. `package init(configuration:place:)` reads and checks it.
package struct ModelDescription: Sendable, Hashable {
  /// Class name of the model as transformers calls it, such as `LlamaForCausalLM`.
  package internal(set) var architecture: String
  /// V, rows of the embedding.
  package internal(set) var vocabularySize: Int
  /// h, elements of a hidden state.
  package internal(set) var width: Int
  /// L.
  package internal(set) var layerCount: Int
  /// a, query heads of a layer.
  package internal(set) var headCount: Int
  /// Key and value heads of a layer; divides ``headCount``.
  package internal(set) var keyValueHeadCount: Int
  /// d, elements of a head.
  package internal(set) var headDimension: Int
  /// f, elements between the two halves of the MLP.
  package internal(set) var mlpWidth: Int

  package internal(set) var norm = Norm()
  package internal(set) var normPlacement = NormPlacement.before
  /// How queries and keys are normalised before they are rotated; nil when they are not.
  package internal(set) var queryKeyNorm: QueryKeyNorm?
  package internal(set) var activation = Activation.silu
  /// Whether the MLP multiplies an activated gate with a second projection.
  package internal(set) var gatesMLP = true
  /// What differs from layer to layer; ``layerCount`` of them.
  package internal(set) var layers: [LayerTraits] = []
  /// Scores become cap·tanh(score/cap) before the softmax; nil when they are left alone.
  package internal(set) var scoreCap: Float?
  /// Logits become cap·tanh(logit/cap).
  package internal(set) var logitCap: Float?
  /// Logits are multiplied by this, before ``logitCap``.
  package internal(set) var logitScale: Float = 1
  /// Embeddings are multiplied by this on their way in.
  package internal(set) var embeddingScale: Float = 1
  /// r, what attention and MLP are multiplied by before they join the residual stream.
  package internal(set) var residualScale: Float = 1

  /// Rotary embeddings that layers choose from by index.
  package internal(set) var ropes: [Rope] = []
  /// Elements of a head that are rotated, from its first; even.
  package internal(set) var rotaryDimension: Int
  /// Rows of a learned position embedding that is added to the token's; nil without one.
  package internal(set) var positionCount: Int?

  /// Whether logits are computed with the embedding matrix itself.
  package internal(set) var tiesEmbeddings = false
  /// Biases on the query, key and value projections.
  package internal(set) var attentionBias = false
  /// Bias on the attention's output projection.
  package internal(set) var outputBias = false
  /// Biases on the MLP's projections.
  package internal(set) var mlpBias = false
  /// How the tensors are called and which of them are stored as one.
  package internal(set) var naming = Naming.separate

  /// Longest sequence the model was made for, in tokens; a stretched context counts as long as it was stretched to.
  package internal(set) var maximumLength: Int
  package internal(set) var beginToken: Int?
  package internal(set) var endTokens: [Int] = []
  /// A token whose embedding gets no gradient through the input; through a tied output it does. In transformers the
  /// embedding is told `pad_token_id`, and in some chat models that token also ends every turn.
  package internal(set) var paddingToken: Int?

  /// Every tensor in one flat order: see ``Parameter``.
  package internal(set) var parameters: [Parameter] = []
  /// N, elements of all tensors, without the gaps that align them.
  package internal(set) var parameterCount = 0
  /// Elements of the flat buffer, gaps included; a multiple of ``Parameter/alignment``.
  package internal(set) var bufferCount = 0
}

extension ModelDescription {
  package struct Norm: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
      /// x / √(mean x² + ε) · (shift + w)
      case rootMeanSquare(shift: Float)
      /// (x − mean) / √(variance + ε) · w + b
      case layer
    }

    package var kind = Kind.rootMeanSquare(shift: 0)
    package var epsilon: Float = 1e-6

    package var shift: Float {
      if case .rootMeanSquare(let shift) = kind { shift } else { 0 }
    }
  }

  /// Where the norms of attention and MLP stand.
  package enum NormPlacement: Sendable, Hashable {
    /// Before each: Llama and most others.
    case before
    /// After each, inside the residual branch: OLMo 2.
    case after
    /// Before and after: Gemma 2 and 3.
    case around

    package var isBefore: Bool { self != .after }
    package var isAfter: Bool { self != .before }
  }

  package enum QueryKeyNorm: Sendable, Hashable {
    /// Every head on its own, all with the same weights: Qwen 3, Gemma 3.
    case perHead
    /// All heads of a token together: OLMo 2.
    case allHeads
  }

  package enum Activation: Int32, Sendable, Hashable {
    /// x·σ(x)
    case silu = 0
    /// x·σ(2√(2/π)(x + 0.044715x³)), the tanh form of GELU
    case geluTanh = 1
    /// x·Φ(x)
    case gelu = 2
  }

  /// What one layer may have otherwise than its neighbours.
  package struct LayerTraits: Sendable, Hashable {
    /// A token sees itself and as many before it as make this many; nil when it sees all.
    package var window: Int?
    /// Index of the layer's rotary embedding in ``ropes``; nil for a layer without positions.
    package var rope: Int?
    /// What scores are multiplied by, 1/√d as a rule.
    package var attentionScale: Float
  }

  package enum Naming: Sendable, Hashable {
    /// Projections one by one, as Llama has them.
    case separate
    /// Query, key and value as one tensor, gate and up as another: Phi 3.
    case fused
    /// GPT-2's names; matrices are stored inputs first.
    case gpt2
  }
}

extension ModelDescription {
  /// Elements of all query heads of a token.
  package var queryWidth: Int { headCount * headDimension }
  /// h_kv, elements of all key heads of a token; values have as many.
  package var keyValueWidth: Int { keyValueHeadCount * headDimension }
  /// Outputs of the MLP's first product: gate and up, or up alone.
  package var mlpInputWidth: Int { gatesMLP ? 2 * mlpWidth : mlpWidth }

  /// The tensor of that name, or nil; linear in the number of tensors.
  package func parameter(named name: String) -> Parameter? { parameters.first { $0.name == name } }

  /// What a sequence's total length means to rotary embeddings that depend on it: sequences of one regime share their
  /// prefixes' keys, others do not. 0 up to the length the model was trained for, else a length with equal frequencies.
  package func regime(length: Int) -> Int {
    ropes.reduce(0) { max($0, $1.regime(length: length)) }
  }

  // MARK: Elements that a pass keeps; the memory formula and the pass itself both count by these.

  /// Elements of a token that one layer keeps from forward to backward: its input, queries, keys and values, the
  /// attention's output and softmax sum, the state between attention and MLP, the MLP's first product, two norm scales;
  /// raw queries and keys where those are normalised; both branches' outputs and scales where those are.
  package var keptPerToken: Int {
    var count = 2 * width + 2 * queryWidth + 2 * keyValueWidth + mlpInputWidth + headCount + 2
    if queryKeyNorm != nil { count += queryWidth + keyValueWidth }
    if normPlacement.isAfter { count += 2 * width + 2 }
    return count
  }

  /// Elements of a token that the backward pass of one layer works in.
  package var backwardPerToken: Int {
    3 * width + 2 * queryWidth + 2 * keyValueWidth + mlpInputWidth + mlpWidth + (changesBranches ? width : 0)
  }

  /// Whether attention's output is changed before it joins the residual stream.
  package var changesBranches: Bool { normPlacement.isAfter || residualScale != 1 }
}
