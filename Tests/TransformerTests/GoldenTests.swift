import Compute
import Foundation
import ModelDescription
import ModelFiles
import OrderedJSON
import RunFolder
import Testing
import Transformer

/// Against PyTorch in double precision, one sequence per call: Tests/Oracles/transformer_golden.py made the files.
@Suite struct GoldenTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden").path

  /// A tree of the golden file: every scored segment is one sequence from the root.
  private struct Tree {
    var sequences: [ScoredSequence] = []
    var logProbs: [Double] = []
    var coefficients: [Float] = []

    init(_ segments: [JSONValue]) {
      var paths: [[Int32]] = []
      for segment in segments {
        let parent = segment["parent"]!.integer!
        let own = segment["tokens"]!.array!.map { Int32($0.integer!) }
        let path = (parent < 0 ? [] : paths[parent]) + own
        paths.append(path)
        guard segment["scored"] == .bool(true) else { continue }
        sequences.append(ScoredSequence(tokens: path, scored: path.count - own.count..<path.count))
        logProbs += segment["log_probs"]!.array!.map { $0.double! }
        coefficients += segment["coefficients"]!.array!.map { Float($0.double!) }
      }
    }
  }

  static func model(_ path: String) throws -> (ModelDescription, FloatBuffer) {
    let configuration = try JSONValue(parsing: FileSystem.readBytes(path + "/config.json"))
    let description = try ModelDescription(configuration: configuration, place: path)
    let parameters = FloatBuffer(count: description.bufferCount)
    try SafetensorsFolder(path).load(description, into: parameters.all)
    return (description, parameters)
  }

  @Test(arguments: ["tied", "biased", "scaled", "sharded"], [0, 1 << 20])
  func logProbsAndEveryGradientEqualPyTorch(variant: String, logitBudget: Int) throws {
    let path = Self.folder + "/" + variant
    let (description, parameters) = try Self.model(path)
    let golden = try JSONValue(parsing: FileSystem.readBytes(path + "/golden.json"))
    let model = Transformer(
      description: description, parameters: parameters, workers: Workers(threads: 2), logitBudgetBytes: logitBudget)
    var errors: [Double] = []
    for goldenCase in golden["cases"]!.array! {
      let trees = goldenCase["trees"]!.array!.map { Tree($0.array!) }
      let batch = PackedBatch(trees.map { TokenTree($0.sequences) })
      let logProbs = model.forward(batch, forBackward: true)
      for (value, truth) in zip(logProbs, trees.flatMap(\.logProbs)) {
        // The issue's tolerance is 2e-4; on models this small fp32 is an order better.
        #expect(abs(Double(value) - truth) < 2e-5)
      }
      let gradients = FloatBuffer(count: description.bufferCount)
      model.backward(batch, coefficients: trees.flatMap(\.coefficients), gradients: gradients)
      let file = try SafetensorsFile(path + "/" + goldenCase["gradients"]!.string!)
      for parameter in description.parameters {
        let truth = try file.values(of: parameter.name).map(Double.init)
        let own = gradients.slice(parameter.range).map(Double.init)
        let difference = zip(own, truth).map { ($0 - $1) * ($0 - $1) }.reduce(0, +).squareRoot()
        let norm = truth.map { $0 * $0 }.reduce(0, +).squareRoot()
        let error = difference / max(norm, 1e-12)
        #expect(error < 1e-3, "\(goldenCase["name"]!.string!) \(parameter.name): relative error \(error)")
        errors.append(error)
      }
    }
    #expect(errors.sorted()[errors.count / 2] < 2e-4)
  }

  /// A batch gives each of its trees what the tree gets alone, up to the rounding of differently cut products.
  @Test func packedEqualsUnpacked() throws {
    let path = Self.folder + "/biased"
    let (description, parameters) = try Self.model(path)
    let golden = try JSONValue(parsing: FileSystem.readBytes(path + "/golden.json"))
    let model = Transformer(description: description, parameters: parameters, workers: Workers(threads: 1))
    let trees = golden["cases"]!.array!.flatMap { $0["trees"]!.array! }.map { Tree($0.array!) }
    let together = model.forward(PackedBatch(trees.map { TokenTree($0.sequences) }))
    let alone = trees.flatMap { tree in
      tree.sequences.flatMap { model.forward(PackedBatch([TokenTree([$0])])) }
    }
    #expect(together.count == alone.count)
    for (left, right) in zip(together, alone) { #expect(abs(left - right) < 5e-6) }
  }
}
