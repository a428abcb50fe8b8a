import Foundation
import ModelDescription
import OrderedJSON
import RunFolder
import Testing

/// What the makers of models publish as config.json, against what transformers makes of it:
/// Tests/Oracles/configurations_golden.py made the file.
@Suite struct PublishedConfigurationTests {
  static let cases: [JSONValue] = {
    let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/configurations.json")
    return (try? JSONValue(parsing: Data(contentsOf: path)))?.array ?? []
  }()
  static let names = cases.compactMap { $0["name"]?.string }
  /// Lengths of the texts after which the truth's frequencies were read.
  private static let lengths = [100, 5000, 150_000]

  @Test func everyArchitectureIsThere() throws {
    let covered = Set(Self.cases.compactMap { $0["truth"]?["architecture"]?.string })
    #expect(covered == Set(ModelDescription.knownArchitectures))
  }

  @Test(arguments: names) func meansWhatItMeansToTransformers(name: String) throws {
    let item = try #require(Self.cases.first { $0["name"]?.string == name })
    let truthName = item["same"]?.string ?? name
    let truth = try #require(Self.cases.first { $0["name"]?.string == truthName }?["truth"])
    let file = try #require(item["file"])
    let model = try ModelDescription(configuration: file, place: "config.json")

    #expect(model.architecture == truth["architecture"]?.string)
    #expect(model.parameterCount == truth["parameters"]?.integer)
    for (name, shape) in truth["tensors"]?.object ?? [:] {
      #expect(model.parameter(named: name)?.storedShape == shape.array?.map(\.integer!), "\(name)")
    }
    #expect(model.layers.map(\.window) == Self.expanded(truth, "windows") { $0.integer })
    #expect(
      model.layers.map { $0.rope != nil } == Self.expanded(truth, "has_rope") { $0.bool! && model.naming != .gpt2 })
    for (layer, scale) in zip(model.layers, Self.expanded(truth, "scales") { $0.double! }) {
      #expect(abs(Double(layer.attentionScale) / scale - 1) < 1e-6)
    }
    #expect(model.paddingToken == truth["padding"]?.integer)
    #expect(model.norm.epsilon == Float(truth["epsilon"]!.double!))
    #expect(abs(Double(model.embeddingScale) / truth["embedding_scale"]!.double! - 1) < 1e-6)
    #expect(model.scoreCap == truth["score_cap"]?.double.map { Float($0) })
    #expect(model.logitCap == truth["logit_cap"]?.double.map { Float($0) })
    #expect(abs(Double(model.logitScale) * truth["logit_divisor"]!.double! - 1) < 1e-6)
    #expect(model.residualScale == Float(truth["residual_scale"]!.double!))
    for (x, y) in zip([-1.5, 0.5, 2.0], truth["activation"]!.array!.map(\.double!)) {
      #expect(abs(Self.value(of: model.activation, x) - y) < 1e-6, "activation of \(x)")
    }
    #expect(model.beginToken == file["bos_token_id"]?.integer)
    #expect(model.endTokens == (file["eos_token_id"]?.array ?? file["eos_token_id"].map { [$0] } ?? []).map(\.integer!))

    let ropes = truth["ropes"]!.object!
    #expect(ropes.count == model.ropes.count)
    let kinds: [String] = ropes.count == 1 ? ["all"] : ["full_attention", "sliding_attention"]
    for (index, key) in kinds.enumerated() {
      guard let expected = ropes[key] else { continue }
      let rope = model.ropes[index]
      #expect(abs(rope.attentionFactor - expected["factor"]!.double!) < 1e-9)
      #expect(model.rotaryDimension == 2 * expected["count"]!.integer!)
      for (length, samples) in zip(Self.lengths, expected["samples"]!.array!) {
        let found = rope.inverseFrequencies(
          headDimension: model.rotaryDimension, regime: rope.regime(length: length))
        let count = found.count
        let places = Set([0, 1, count / 4, count / 2, 3 * count / 4, count - 1]).sorted()
        for (place, sample) in zip(places, samples.array!) {
          let wanted = Float(sample.double!)
          // One unit in the last place of the power, grown by the operations after it.
          #expect(
            abs(found[place] - wanted) <= 4 * wanted.ulp, "pair \(place) at \(length): \(found[place]), \(wanted)")
        }
      }
    }
  }

  private static func expanded<Value>(_ truth: JSONValue, _ key: String, _ value: (JSONValue) -> Value) -> [Value] {
    truth[key]!.array!.flatMap { Array(repeating: value($0.array![0]), count: $0.array![1].integer!) }
  }

  private static func value(of activation: ModelDescription.Activation, _ x: Double) -> Double {
    switch activation {
    case .silu: x / (1 + exp(-x))
    case .geluTanh: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    case .gelu: 0.5 * x * (1 + erf(x / 2.0.squareRoot()))
    }
  }
}
