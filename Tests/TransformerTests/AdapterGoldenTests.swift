import Compute
import Foundation
import ModelDescription
import ModelFiles
import OrderedJSON
import RunFolder
import Testing
import Transformer

/// Adapters that PEFT wrote, against PyTorch in double precision: Tests/Oracles/adapters_golden.py made the files.
@Suite struct AdapterGoldenTests {
  static let folder = GoldenTests.folder + "/adapters"
  static let names = (try? FileManager.default.contentsOfDirectory(atPath: folder).sorted()) ?? []

  @Test(arguments: names, [WeightType.float32, .bfloat16])
  func logProbsAndGradientsEqualPyTorch(name: String, type: WeightType) throws {
    let path = Self.folder + "/" + name
    let golden = try ArchitectureTests.Golden(path)
    let base = try JSONValue(parsing: FileSystem.readBytes(path + "/golden.json"))["base"]!.string!
    let (description, parameters) = try GoldenTests.model(ArchitectureTests.folder + "/" + base)
    let weights = WeightBuffer(count: parameters.count, type: type)
    #expect(weights.write(parameters.pointer, count: parameters.count, to: 0))
    let folder = try AdapterFolder(path)
    let adapter = LowRankAdapter(try folder.layout(of: description))
    try folder.load(adapter.layout, into: adapter.values.all)
    let model = Transformer(
      description: description, weights: weights, workers: Workers(threads: 2), adapter: adapter)
    let batch = PackedBatch([Transformer.tree(golden.sequences, for: description)])
    for (value, truth) in zip(model.forward(batch, forBackward: true), golden.logProbs) {
      #expect(abs(Double(value) - truth) < 5e-5)
    }
    let gradients = FloatBuffer(count: adapter.layout.bufferCount)
    model.backward(batch, coefficients: golden.coefficients, gradients: gradients)
    let file = try SafetensorsFile(path + "/gradients.safetensors")
    #expect(Set(file.names) == Set(adapter.layout.parameters.map(\.name)))
    for parameter in adapter.layout.parameters {
      let truth = try file.values(of: parameter.name).map(Double.init)
      let own = gradients.slice(parameter.range).map(Double.init)
      let norm = truth.map { $0 * $0 }.reduce(0, +).squareRoot()
      let error = zip(own, truth).map { ($0 - $1) * ($0 - $1) }.reduce(0, +).squareRoot() / norm
      #expect(norm > 0 && error < 2e-4, "\(parameter.name): relative error \(error)")
    }
  }

  @Test func coversEveryFormOfTargets() { #expect(Self.names.count == 5) }
}
