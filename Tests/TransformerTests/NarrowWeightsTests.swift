import CKernels
import Compute
import FuzzSupport
import ModelDescription
import OrderedJSON
import Testing
import Transformer

/// Weights of two bytes: the model is that of fp32 weights with the rounded values.
@Suite struct NarrowWeightsTests {
  /// Matrices of more than one widened tile and more than one strip of inputs (1,600), and of sizes that no tile divides; biases in blocks.
  private static func large() throws -> ModelDescription {
    let text = """
      {"architectures": ["LlamaForCausalLM"], "vocab_size": 2311, "hidden_size": 456, "num_hidden_layers": 2,
       "intermediate_size": 1706, "hidden_act": "silu", "rms_norm_eps": 1e-5, "max_position_embeddings": 512,
       "num_attention_heads": 6, "num_key_value_heads": 2, "attention_bias": true, "mlp_bias": true,
       "tie_word_embeddings": true}
      """
    return try ModelDescription(configuration: JSONValue(parsing: text), place: "config.json")
  }

  private static func weights(_ model: ModelDescription, _ type: WeightType) -> (
    narrow: WeightBuffer, wide: FloatBuffer
  ) {
    var random = Mutator(seed: 3)
    let values = FloatBuffer(count: model.bufferCount)
    for parameter in model.parameters {
      for place in parameter.range {
        values.pointer[place] = Float((parameter.kind == .norm ? 1 : 0) + 0.05 * random.normal())
      }
    }
    let narrow = WeightBuffer(count: values.count, type: type)
    #expect(narrow.write(values.pointer, count: values.count, to: 0))
    narrow.read(from: 0, count: values.count, into: values.pointer)
    return (narrow, values)
  }

  private static func batch(_ model: ModelDescription, tokens: Int) -> PackedBatch {
    var random = Mutator(seed: 8)
    func draw(_ count: Int) -> [Int32] { (0..<count).map { _ in Int32(random.next() % UInt64(model.vocabularySize)) } }
    let prompt = draw(tokens / 4)
    return PackedBatch([
      Transformer.tree(
        (0..<2).map { _ in
          ScoredSequence(tokens: prompt + draw(tokens * 3 / 8), scored: prompt.count..<prompt.count + tokens * 3 / 8)
        }, for: model)
    ])
  }

  @Test(arguments: [WeightType.bfloat16, .float16], [9, 400])
  func equalFloatsOfTheSameValues(type: WeightType, tokens: Int) throws {
    let model = try Self.large()
    let (narrow, wide) = Self.weights(model, type)
    let batch = Self.batch(model, tokens: tokens)
    let workers = Workers(threads: 2)
    var random = Mutator(seed: 4)
    let coefficients = (0..<batch.targetCount).map { _ in Float(random.normal()) }
    func pass(_ weights: WeightBuffer, budget: Int) -> ([Float], FloatBuffer) {
      let transformer = Transformer(
        description: model, weights: weights, workers: workers, logitBudgetBytes: budget)
      let scored = transformer.forward(batch)
      let logProbs = transformer.forward(batch, forBackward: true)
      #expect(zip(scored, logProbs).allSatisfy(==))
      let gradients = FloatBuffer(count: model.bufferCount)
      transformer.backward(batch, coefficients: coefficients, gradients: gradients)
      return (logProbs, gradients)
    }
    for budget in [0, 1 << 30] {
      let (expected, expectedGradients) = pass(WeightBuffer(wide), budget: budget)
      let (logProbs, gradients) = pass(narrow, budget: budget)
      #expect(zip(logProbs, expected).allSatisfy(==), "the same bits")
      for parameter in model.parameters {
        let (own, truth) = (gradients.slice(parameter.range), expectedGradients.slice(parameter.range))
        #expect(truth.contains { $0 != 0 } && own.elementsEqual(truth), "\(parameter.name)")
      }
    }
  }

  @Test func changesAreSeen() throws {
    let model = try Self.large()
    let (narrow, wide) = Self.weights(model, .bfloat16)
    let batch = Self.batch(model, tokens: 24)
    let transformer = Transformer(description: model, weights: narrow, workers: Workers(threads: 1))
    let before = transformer.forward(batch)
    let norm = model.parameters.first { $0.kind == .norm }!
    for place in norm.range { wide.pointer[place] *= 2 }
    #expect(narrow.write(wide.pointer + norm.offset, count: norm.count, to: norm.offset))
    transformer.weightsChanged()
    let after = transformer.forward(batch)
    #expect(before != after)
    #expect(
      after == Transformer(description: model, parameters: wide, workers: Workers(threads: 1)).forward(batch))
  }

  /// All numbers of two bytes, and roundings between neighbours.
  @Test(arguments: [WeightType.bfloat16, .float16]) func roundsToTheNearestEven(type: WeightType) {
    let buffer = WeightBuffer(count: 1, type: type)
    func rounded(_ value: Float) -> (bits: UInt16, isFinite: Bool) {
      var value = value
      let isFinite = buffer.write(&value, count: 1, to: 0)
      return (buffer.halves[0], isFinite)
    }
    func value(_ bits: UInt16) -> Float {
      buffer.halves[0] = bits
      var value: Float = 0
      buffer.read(from: 0, count: 1, into: &value)
      return value
    }
    let infinity: UInt16 = type == .float16 ? 0x7C00 : 0x7F80
    for bits in UInt16(0)..<infinity {
      let number = value(bits)
      #expect(rounded(number) == (bits, true) && rounded(-number) == (bits | 0x8000, true))
      let next = bits + 1 < infinity ? value(bits + 1) : number + (number - value(bits - 1))
      guard next.isFinite else { continue }
      // Their middle has an fp32 of its own, and goes to the even one.
      let middle = number + (next - number) / 2
      guard middle != number, middle != next else { continue }
      #expect(rounded(middle).bits == bits + bits % 2)
      #expect(rounded(middle.nextDown).bits == bits && rounded(middle.nextUp).bits == bits + 1)
    }
    #expect(value(infinity) == .infinity && !rounded(.infinity).isFinite && !rounded(.nan).isFinite)
    #expect(value(rounded(.nan).bits).isNaN)
    #expect(rounded(type == .float16 ? 65_519 : 3.38e38).isFinite)
    #expect(!rounded(type == .float16 ? 65_520 : Float.greatestFiniteMagnitude).isFinite)
  }
}
