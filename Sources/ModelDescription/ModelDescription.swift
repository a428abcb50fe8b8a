/// The architecture and shapes of a decoder-only language model, read from its `config.json`; no tensors.
///
/// It describes the Llama family: RMSNorm before attention and before a SwiGLU MLP, rotary positions, grouped-query
/// attention, tied or untied output embeddings, optional biases. `package init(configuration:place:)` reads and checks it.
package struct ModelDescription: Sendable, Hashable {
  /// Class name of the model as transformers calls it, such as `LlamaForCausalLM`.
  package let architecture: String
  /// V, rows of the embedding.
  package let vocabularySize: Int
  /// h, elements of a hidden state.
  package let width: Int
  /// L.
  package let layerCount: Int
  /// a, query heads of a layer.
  package let headCount: Int
  /// Key and value heads of a layer; divides ``headCount``.
  package let keyValueHeadCount: Int
  /// d, elements of a head; even.
  package let headDimension: Int
  /// f, elements between the two halves of the MLP.
  package let mlpWidth: Int
  package let normEpsilon: Float
  package let rope: Rope
  /// Whether logits are computed with the embedding matrix itself.
  package let tiesEmbeddings: Bool
  /// Biases on the query, key and value projections.
  package let attentionBias: Bool
  /// Bias on the attention's output projection.
  package let outputBias: Bool
  /// Biases on the three MLP projections.
  package let mlpBias: Bool
  /// Longest sequence the model was made for, in tokens.
  package let maximumLength: Int
  package let beginToken: Int?
  package let endTokens: [Int]
  /// A token whose embedding gets no gradient through the input; through a tied output it does. In transformers the
  /// embedding is told `pad_token_id`, and in some chat models that token also ends every turn.
  package let paddingToken: Int?

  /// `1 / wavelength` of each pair of rotated elements, in radians per position; `headDimension / 2` values.
  package let inverseFrequencies: [Float]
  /// Every tensor in one flat order: see ``Parameter``.
  package let parameters: [Parameter]
  /// N, elements of all tensors, without the gaps that align them.
  package let parameterCount: Int
  /// Elements of the flat buffer, gaps included; a multiple of ``Parameter/alignment``.
  package let bufferCount: Int
}

extension ModelDescription {
  /// Elements of all query heads of a token.
  package var queryWidth: Int { headCount * headDimension }
  /// h_kv, elements of all key heads of a token; values have as many.
  package var keyValueWidth: Int { keyValueHeadCount * headDimension }

  /// The tensor of that name, or nil; linear in the number of tensors.
  package func parameter(named name: String) -> Parameter? { parameters.first { $0.name == name } }
}
