import Compute
import Foundation
import FuzzSupport
import ModelDescription
import ModelFiles
import OrderedJSON
import RunFolder
import Testing
import Transformer

/// The head's statistics beside log π, and their gradients.
@Suite struct StatisticsTests {
  private static let everything: StatisticRequest = [.logSquares, .referenceDivergence, .policyDivergence]

  /// By PyTorch in double precision, with and without capped logits: Tests/Oracles/statistics_golden.py made the file.
  @Test(arguments: ["gemma2", "qwen2"], [0, 1 << 20])
  func equalPyTorch(name: String, logitBudget: Int) throws {
    let path = ArchitectureTests.folder + "/" + name
    let golden = try #require(JSONValue(parsing: FileSystem.readBytes(GoldenTests.folder + "/statistics.json"))[name])
    let cases = try #require(golden["sequences"]?.array)
    let sequences = cases.map { item in
      let scored = item["scored"]!.array!.map { $0.integer! }
      return ScoredSequence(tokens: item["tokens"]!.array!.map { Int32($0.integer!) }, scored: scored[0]..<scored[1])
    }
    func list(_ key: String) -> [Double] { cases.flatMap { $0[key]!.array!.map { $0.double! } } }
    let (description, parameters) = try GoldenTests.model(path)
    let scaled = FloatBuffer(count: description.bufferCount)
    for index in 0..<description.bufferCount { scaled.pointer[index] = parameters.pointer[index] * (15 / 16) }
    let workers = Workers(threads: 2)
    let model = Transformer(
      description: description, parameters: parameters, workers: workers, logitBudgetBytes: logitBudget)
    let reference = Transformer(description: description, parameters: scaled, workers: workers)
    let batch = PackedBatch([Transformer.tree(sequences, for: description)])
    let statistics = model.statistics(
      of: batch, Self.everything, reference: ReferencePass(reference, batch), forBackward: true)
    for (found, key) in [
      (statistics.logProbs, "log_probs"), (statistics.logSquares, "log_squares"),
      (statistics.referenceDivergence, "reference_divergence"), (statistics.policyDivergence, "policy_divergence"),
    ] as [([Float]?, String)] {
      let found = try #require(found)
      let expected = list(key)
      try #require(found.count == expected.count)
      for (value, truth) in zip(found, expected) {
        #expect(abs(Double(value) - truth) < 5e-5, "\(key): \(value), \(truth)")
      }
    }
    func floats(_ key: String) -> [Float] { list(key + "_coefficients").map(Float.init) }
    let gradients = FloatBuffer(count: description.bufferCount)
    model.backward(
      batch,
      coefficients: TargetCoefficients(
        logProbs: floats("log_probs"), logSquares: floats("log_squares"),
        referenceDivergence: floats("reference_divergence"), policyDivergence: floats("policy_divergence")),
      gradients: gradients)
    for parameter in description.parameters {
      let truth = try #require(golden["gradients"]?[parameter.name]?.array).map { $0.double! }
      let own = gradients.slice(parameter.range).map(Double.init)
      let norm = own.map { $0 * $0 }.reduce(0, +).squareRoot()
      let product = own.enumerated().map { $1 * (Double($0 * 7919 % 101) / 50 - 1) }.reduce(0, +)
      #expect(abs(norm - truth[0]) < 2e-4 * truth[0], "\(parameter.name): \(norm), \(truth[0])")
      // The pattern's own norm is about 0.58 √n.
      #expect(
        abs(product - truth[1]) < 2e-4 * truth[0] * Double(own.count).squareRoot(),
        "\(parameter.name): \(product), \(truth[1])")
    }
  }

  /// Each statistic alone, by central differences of the fp32 model itself.
  @Test(arguments: 0..<3) func gradientsMatchCentralDifferences(statistic: Int) throws {
    let description = try GradientTests.description(
      #""num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": true"#)
    let workers = Workers(threads: 1)
    func model(_ seed: UInt64) -> (Transformer, FloatBuffer) {
      let plain = PlainModel(description, seed: seed)
      let parameters = FloatBuffer(count: description.bufferCount)
      for index in plain.weights.indices { parameters.pointer[index] = Float(plain.weights[index]) }
      let model = Transformer(description: description, parameters: parameters, workers: workers, logitBudgetBytes: 0)
      return (model, parameters)
    }
    let ((policy, parameters), (reference, _)) = (model(3), model(4))
    let batch = PackedBatch(GradientTests.forests[1].map { TokenTree($0) })
    let request = [StatisticRequest.logSquares, .referenceDivergence, .policyDivergence][statistic]
    var random = Mutator(seed: 12)
    let factors = (0..<batch.targetCount).map { _ in Float(random.normal()) }
    func total(forBackward: Bool) -> Double {
      let found = policy.statistics(
        of: batch, request, reference: ReferencePass(reference, batch), forBackward: forBackward)
      let list = found.logSquares ?? found.referenceDivergence ?? found.policyDivergence!
      return zip(list, factors).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
    }
    _ = total(forBackward: true)
    let gradients = FloatBuffer(count: description.bufferCount)
    let zeros = [Float](repeating: 0, count: batch.targetCount)
    policy.backward(
      batch,
      coefficients: TargetCoefficients(
        logProbs: zeros, logSquares: statistic == 0 ? factors : nil,
        referenceDivergence: statistic == 1 ? factors : nil, policyDivergence: statistic == 2 ? factors : nil),
      gradients: gradients)
    for parameter in description.parameters {
      // Along the gradient of the whole tensor: its size stands out of fp32's rounding.
      let slice = gradients.slice(parameter.range)
      let norm = slice.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      try #require(norm > 0)
      let start = Array(parameters.slice(parameter.range))
      func along(_ step: Double) -> Double {
        for index in start.indices {
          parameters.pointer[parameter.offset + index] = start[index] + Float(step * Double(slice[index]) / norm)
        }
        return total(forBackward: false)
      }
      let step = 2e-3
      let difference = (along(step) - along(-step)) / (2 * step)
      for index in start.indices { parameters.pointer[parameter.offset + index] = start[index] }
      #expect(abs(difference - norm) < 5e-3 * norm + 3e-3, "\(parameter.name): \(difference), \(norm)")
    }
  }

  @Test func aModelDoesNotDivergeFromItself() throws {
    let (description, parameters) = try GoldenTests.model(ArchitectureTests.folder + "/qwen2")
    let workers = Workers(threads: 1)
    let model = Transformer(description: description, parameters: parameters, workers: workers)
    let same = Transformer(description: description, parameters: parameters, workers: workers)
    let batch = PackedBatch(GradientTests.forests[1].map { TokenTree($0) })
    let statistics = model.statistics(
      of: batch, [.referenceDivergence, .policyDivergence], reference: ReferencePass(same, batch), forBackward: true)
    #expect(statistics.referenceDivergence!.allSatisfy { $0 == 0 })
    #expect(statistics.policyDivergence!.allSatisfy { $0 == 0 })
    #expect(statistics.logProbs == model.forward(batch))
  }
}
