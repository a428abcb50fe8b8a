import Compute
import FuzzSupport
import ModelDescription
import OrderedJSON
import Testing
import Transformer

/// Every gradient by central differences of the plain model, on small models and trees of every kind.
@Suite struct GradientTests {
  static func description(_ extra: String) throws -> ModelDescription {
    let text = """
      {"architectures": ["LlamaForCausalLM"], "vocab_size": 23, "hidden_size": 16, "num_hidden_layers": 2,
       "intermediate_size": 24, "hidden_act": "silu", "rms_norm_eps": 1e-5, "max_position_embeddings": 64,
       "rope_theta": 100.0, \(extra)}
      """
    return try ModelDescription(configuration: JSONValue(parsing: text), place: "config.json")
  }

  static let variants = [
    #""num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": true"#,
    #""num_attention_heads": 4, "num_key_value_heads": 1, "attention_bias": true, "mlp_bias": true"#,
    #"""
    "num_attention_heads": 2, "head_dim": 12, "rope_scaling": {"rope_type": "llama3", "factor": 4.0,
    "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16}
    """#,
  ]

  /// Trees with their special cases: one-token prefix, one-token response, equal first tokens, four levels.
  static let forests: [[[ScoredSequence]]] = [
    [[ScoredSequence(tokens: [1, 5, 6], scored: 1..<3), ScoredSequence(tokens: [1, 7], scored: 1..<2)]],
    [
      [
        ScoredSequence(tokens: [2, 3, 4, 4, 9], scored: 3..<5),
        ScoredSequence(tokens: [2, 3, 4, 4, 1, 2], scored: 3..<6),
      ],
      [
        ScoredSequence(tokens: [1, 3, 8, 9], scored: 2..<4),
        ScoredSequence(tokens: [1, 3, 8, 9, 2, 10, 8, 9], scored: 6..<8),
        ScoredSequence(tokens: [1, 3, 8, 9, 2, 11, 12, 8, 9], scored: 7..<9),
        ScoredSequence(tokens: [1, 3, 7], scored: 2..<3),
      ],
    ],
  ]

  @Test(arguments: variants.indices, forests.indices)
  func everyGradientMatchesCentralDifferences(variant: Int, forest: Int) throws {
    let description = try Self.description(Self.variants[variant])
    var plain = PlainModel(description, seed: UInt64(variant * 10 + forest + 1))
    let sequences = Self.forests[forest].flatMap { $0 }
    var random = Mutator(seed: 99)
    let coefficients = sequences.flatMap { $0.scored }.map { _ in Double(Float(random.normal())) }

    let parameters = FloatBuffer(count: description.bufferCount)
    for index in plain.weights.indices { parameters.pointer[index] = Float(plain.weights[index]) }
    let model = Transformer(
      description: description, parameters: parameters, workers: Workers(threads: 2),
      // The second forest makes its logits twice.
      logitBudgetBytes: forest == 0 ? 1 << 20 : 0)
    let batch = PackedBatch(Self.forests[forest].map { TokenTree($0) })
    let gradients = FloatBuffer(count: description.bufferCount)
    let logProbs = model.forward(batch, forBackward: true)
    var finished = 0
    model.backward(batch, coefficients: coefficients.map(Float.init), gradients: gradients) { range in
      #expect(range.lowerBound == finished)
      finished = range.upperBound
    }
    #expect(finished == description.bufferCount)

    let truth = sequences.flatMap { sequence in sequence.scored.map { (sequence, $0) } }
    for (value, (sequence, index)) in zip(logProbs, truth) {
      // fp32 forward against fp64.
      #expect(abs(Double(value) - plain.logProbs(sequence.tokens)[index - 1]) < 2e-5)
    }

    let step = 1e-5
    for parameter in description.parameters {
      // A handful of elements of each tensor; embeddings are probed where the batch's tokens are.
      var probes = [parameter.range.lowerBound, parameter.range.upperBound - 1]
      for _ in 0..<3 { probes.append(Int.random(in: parameter.range, using: &random)) }
      if parameter.kind == .embedding {
        for token in [1, 2, 8] { probes.append(parameter.offset + token * description.width + token % 5) }
      }
      for probe in probes {
        let start = plain.weights[probe]
        plain.weights[probe] = start + step
        let above = plain.objective(sequences, coefficients)
        plain.weights[probe] = start - step
        let below = plain.objective(sequences, coefficients)
        plain.weights[probe] = start
        let difference = (above - below) / (2 * step)
        let gradient = Double(gradients.pointer[probe])
        // Rounding of the fp32 pass; the differences themselves are good to 1e-9.
        #expect(
          abs(gradient - difference) < 3e-5 + 3e-4 * abs(difference),
          "\(parameter.name)[\(probe - parameter.offset)]: \(gradient) against \(difference)")
      }
    }
  }

  /// transformers gives the padding token's embedding no gradient through the input, also where it ends real turns.
  @Test(arguments: [true, false]) func paddingTokensEmbeddingLearnsOnlyThroughTheOutput(tied: Bool) throws {
    let heads = #""num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": \#(tied)"#
    let batch = PackedBatch(Self.forests[1].map { TokenTree($0) })
    func gradient(_ extra: String) throws -> (ModelDescription, FloatBuffer) {
      let description = try Self.description(heads + extra)
      let plain = PlainModel(description, seed: 11)
      let parameters = FloatBuffer(count: description.bufferCount)
      for index in plain.weights.indices { parameters.pointer[index] = Float(plain.weights[index]) }
      let model = Transformer(description: description, parameters: parameters, workers: Workers(threads: 1))
      let gradients = FloatBuffer(count: description.bufferCount)
      _ = model.forward(batch, forBackward: true)
      model.backward(batch, coefficients: [Float](repeating: 1, count: batch.targetCount), gradients: gradients)
      return (description, gradients)
    }
    let (description, whole) = try gradient("")
    let (_, padded) = try gradient(#", "pad_token_id": 2"#)
    let embedding = try #require(description.parameter(named: "model.embed_tokens.weight"))
    let row = embedding.offset + 2 * description.width..<embedding.offset + 3 * description.width
    #expect(batch.tokens.contains(2))
    for index in 0..<description.bufferCount where !row.contains(index) {
      #expect(padded.pointer[index] == whole.pointer[index])
    }
    #expect(row.contains { padded.pointer[$0] != whole.pointer[$0] })
    // Untied, nothing else reaches that row.
    #expect(row.contains { padded.pointer[$0] != 0 } == tied)
  }

  @Test func bitsDoNotDependOnThreads() throws {
    let description = try Self.description(Self.variants[0])
    let plain = PlainModel(description, seed: 5)
    var random = Mutator(seed: 7)
    // Long enough for several panels, blocks and chunks.
    let trees = (0..<4).map { _ in
      let prompt = (0..<90).map { _ in Int32.random(in: 0..<23, using: &random) }
      return TokenTree(
        (0..<2).map { _ in
          let response = (0..<120).map { _ in Int32.random(in: 0..<23, using: &random) }
          return ScoredSequence(tokens: prompt + response, scored: 90..<210)
        })
    }
    let batch = PackedBatch(trees)
    var results: [([Float], [Float])] = []
    for threads in [1, 2, 3] {
      let parameters = FloatBuffer(count: description.bufferCount)
      for index in plain.weights.indices { parameters.pointer[index] = Float(plain.weights[index]) }
      let model = Transformer(description: description, parameters: parameters, workers: Workers(threads: threads))
      let gradients = FloatBuffer(count: description.bufferCount)
      let logProbs = model.forward(batch, forBackward: true)
      model.backward(batch, coefficients: logProbs.map { 1 / (1 - $0) }, gradients: gradients)
      #expect(model.forward(batch) == logProbs)
      results.append((logProbs, Array(gradients.all)))
    }
    #expect(results[1] == results[0])
    #expect(results[2] == results[0])
    // One sequence of the batch, alone in the plain model.
    let sequence = Array(batch.tokens[0..<210])
    let truth = plain.logProbs(sequence)
    for index in 90..<210 { #expect(abs(Double(results[0].0[index - 90]) - truth[index - 1]) < 5e-5) }
  }
}
