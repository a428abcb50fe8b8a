import Compute
import Foundation
import ModelDescription
import ModelFiles
import OrderedJSON
import RunFolder
import Testing
import Transformer

/// Every architecture out of a GGUF file: Tests/Oracles/gguf_golden.py made the files, and the log-probs from the models
/// that they were made of.
@Suite struct GGUFTests {
  static let folder = GoldenTests.folder + "/gguf"
  static let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
    .filter { $0.hasSuffix(".gguf") }.map { String($0.dropLast(5)) }.sorted()

  @Test func everyFamilyHasAFile() throws {
    let covered = try Set(Self.names.map { try ModelSource.open("\(Self.folder)/\($0).gguf").model.architecture })
    #expect(covered == Set(ModelDescription.knownArchitectures))
  }

  @Test(arguments: names) func logProbsEqualThoseOfTheModelThatWasWritten(name: String) throws {
    let source = try ModelSource.open("\(Self.folder)/\(name).gguf")
    let golden = try JSONValue(parsing: FileSystem.readBytes("\(Self.folder)/\(name).json"))
    #expect(source.model.architecture == golden["architecture"]?.string)
    let parameters = FloatBuffer(count: source.model.bufferCount)
    try source.weights.load(source.model, into: parameters.all)
    let model = Transformer(description: source.model, parameters: parameters, workers: Workers(threads: 1))
    for item in golden["sequences"]!.array! {
      let scored = item["scored"]!.array!.map { $0.integer! }
      let sequence = ScoredSequence(
        tokens: item["tokens"]!.array!.map { Int32($0.integer!) }, scored: scored[0]..<scored[1])
      let logProbs = model.forward(PackedBatch([Transformer.tree([sequence], for: source.model)]))
      let truth = item["log_probs"]!.array!.map { $0.double! }
      #expect(logProbs.count == truth.count)
      // As for the same models in folders.
      for (value, truth) in zip(logProbs, truth) { #expect(abs(Double(value) - truth) < 5e-5, "\(name)") }
    }
  }
}
