import Compute
import FuzzSupport
import ModelDescription
import ModelFiles
import OrderedJSON
import RunFolder
import Testing
import Transformer

/// A model with adapters is the model with merged weights, W + s·B·A.
@Suite struct LowRankTests {
  /// Multiplies plainly: s · B[N,r] · A[r,K].
  private static func product(_ b: [Double], _ a: [Double], rank: Int, inputs: Int, scale: Double) -> [Double] {
    (0..<b.count / rank * inputs).map { place in
      let (row, column) = (place / inputs, place % inputs)
      return scale * (0..<rank).reduce(0) { $0 + b[row * rank + $1] * a[$1 * inputs + column] }
    }
  }

  private func layout(_ model: ModelDescription, _ targets: [String], root: Bool) throws -> LowRankLayout {
    try LowRankLayout(LowRank(rank: 3, alpha: 5, usesRootScaling: root, targets: targets), of: model)
  }

  @Test(arguments: ["llama3", "gemma3", "phi3", "olmo2", "granite", "gpt2"], [true, false])
  func logProbsAndGradientsAreThoseOfMergedWeights(name: String, all: Bool) throws {
    let (description, parameters) = try GoldenTests.model(ArchitectureTests.folder + "/" + name)
    let some =
      ["gpt2": ["c_attn", "c_fc"], "phi3": ["o_proj", "gate_up_proj"]][name] ?? ["v_proj", "up_proj", "down_proj"]
    let layout = try layout(description, all ? ["all-linear"] : some, root: all)
    var random = Mutator(seed: 5)
    let adapter = LowRankAdapter(layout)
    for parameter in layout.parameters {
      for place in parameter.range { adapter.values.pointer[place] = Float(0.2 * random.normal()) }
    }
    // The merged model, and where in it each projection stands.
    let merged = FloatBuffer(count: parameters.count)
    merged.copy(from: parameters)
    func values(_ buffer: FloatBuffer, _ parameter: Parameter) -> [Double] {
      buffer.slice(parameter.range).map(Double.init)
    }
    for projection in layout.projections {
      let weight = description.parameter(named: projection.module + ".weight")!
      let change = Self.product(
        values(adapter.values, projection.b), values(adapter.values, projection.a), rank: 3, inputs: projection.inputs,
        scale: projection.scale)
      for (place, value) in zip(weight.range, change) { merged.pointer[place] += Float(value) }
    }

    let sequences = [
      ScoredSequence(tokens: [1, 5, 9, 3, 7, 2], scored: 3..<6),
      ScoredSequence(tokens: [1, 5, 9, 8, 2, 6, 11, 30], scored: 3..<8),
    ]
    let coefficients = (0..<8).map { _ in Float(random.normal()) }
    let batch = PackedBatch([Transformer.tree(sequences, for: description)])
    let workers = Workers(threads: 2)
    let whole = Transformer(description: description, parameters: merged, workers: workers)
    let adapted = Transformer(
      description: description, parameters: parameters, workers: workers, adapter: adapter, logitBudgetBytes: 0)
    let expected = whole.forward(batch, forBackward: true)
    for (value, truth) in zip(adapted.forward(batch, forBackward: true), expected) {
      #expect(abs(value - truth) < 3e-5)
    }

    let full = FloatBuffer(count: description.bufferCount)
    whole.backward(batch, coefficients: coefficients, gradients: full)
    let gradients = FloatBuffer(count: layout.bufferCount)
    let before = Array(parameters.all)
    var finished = 0
    adapted.backward(batch, coefficients: coefficients, gradients: gradients) { range in
      #expect(range.lowerBound == finished)
      finished = range.upperBound
    }
    #expect(finished == layout.bufferCount)
    #expect(Array(parameters.all) == before, "the model itself does not change")
    for projection in layout.projections {
      let weight = description.parameter(named: projection.module + ".weight")!
      let dw = values(full, weight)
      let (a, b) = (values(adapter.values, projection.a), values(adapter.values, projection.b))
      let (inputs, outputs, scale) = (projection.inputs, projection.outputs.count, projection.scale)
      // dB = s·dW·Aᵀ, dA = s·Bᵀ·dW
      let db = (0..<outputs * 3).map { place in
        (0..<inputs).reduce(0) { $0 + scale * dw[place / 3 * inputs + $1] * a[place % 3 * inputs + $1] }
      }
      let da = (0..<3 * inputs).map { place in
        (0..<outputs).reduce(0) { $0 + scale * b[$1 * 3 + place / inputs] * dw[$1 * inputs + place % inputs] }
      }
      for (parameter, truth) in [(projection.a, da), (projection.b, db)] {
        let norm = truth.map { $0 * $0 }.reduce(0, +).squareRoot()
        let difference = zip(values(gradients, parameter), truth).map { ($0 - $1) * ($0 - $1) }.reduce(0, +)
          .squareRoot()
        #expect(norm > 0 && difference < 1e-3 * norm, "\(parameter.name): \(difference / norm)")
      }
    }
  }

  @Test func namesTargetsThatAreNotThere() throws {
    let description = try GradientTests.description(GradientTests.variants[0])
    #expect {
      _ = try layout(description, ["q_proj", "w_proj"], root: false)
    } throws: { error in
      "\(error)".contains("w_proj is none of the model's projections: down_proj, gate_proj, k_proj")
    }
    #expect(throws: TregError.self) {
      _ = try LowRankLayout(LowRank(rank: 17, alpha: 1, targets: ["q_proj"]), of: description)
    }
  }
}
