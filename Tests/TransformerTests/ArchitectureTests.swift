import Compute
import Foundation
import ModelDescription
import ModelFiles
import OrderedJSON
import RunFolder
import Testing
import Transformer

/// Every architecture against PyTorch in double precision: Tests/Oracles/architectures_golden.py made the files.
@Suite struct ArchitectureTests {
  static let folder = GoldenTests.folder + "/architectures"
  static let names = (try? FileManager.default.contentsOfDirectory(atPath: folder).sorted()) ?? []

  struct Golden {
    let sequences: [ScoredSequence]
    let logProbs: [Double]
    let coefficients: [Float]
    /// None in files that do not need it.
    let lastLogSoftmax: [Double]

    init(_ path: String) throws {
      let file = try JSONValue(parsing: FileSystem.readBytes(path + "/golden.json"))
      let cases = file["sequences"]!.array!
      sequences = cases.map { item in
        let scored = item["scored"]!.array!.map { $0.integer! }
        return ScoredSequence(
          tokens: item["tokens"]!.array!.map { Int32($0.integer!) }, scored: scored[0]..<scored[1])
      }
      logProbs = cases.flatMap { $0["log_probs"]!.array!.map { $0.double! } }
      coefficients = cases.flatMap { $0["coefficients"]!.array!.map { Float($0.double!) } }
      lastLogSoftmax = (file["log_softmax_after_last"]?.array ?? []).map { $0.double! }
    }
  }

  @Test func everyFamilyHasAGolden() throws {
    let covered = try Set(Self.names.map { try GoldenTests.model(Self.folder + "/" + $0).0.architecture })
    // Llama's own golden files are older than these.
    #expect(covered.union(["LlamaForCausalLM"]) == Set(ModelDescription.knownArchitectures))
  }

  @Test(arguments: names, [0, 1 << 20])
  func logProbsAndEveryGradientEqualPyTorch(name: String, logitBudget: Int) throws {
    try compare(name, .float32, logitBudget: logitBudget)
  }

  /// The files hold bfloat16, so weights of that type are the ones that PyTorch computed with.
  @Test(arguments: names, [WeightType.bfloat16, .float16])
  func narrowWeightsEqualPyTorch(name: String, type: WeightType) throws {
    try compare(name, type, logitBudget: 1 << 20)
  }

  /// Weights that become numbers only when the pass asks for them: what it reads unasked spoils its result.
  @Test(arguments: names)
  func aPassAsksForAllWeightsBeforeItReadsThem(name: String) throws {
    let golden = try Golden(Self.folder + "/" + name)
    let (description, parameters) = try GoldenTests.model(Self.folder + "/" + name)
    let arriving = FloatBuffer(count: parameters.count)
    let batch = PackedBatch([Transformer.tree(golden.sequences, for: description)])
    let workers = Workers(threads: 2)
    let expected = Transformer(description: description, parameters: parameters, workers: workers).forward(batch)
    let model = Transformer(description: description, parameters: arriving, workers: workers)
    for index in 0..<arriving.count { arriving.pointer[index] = .nan }
    var left = model.trained.bufferCount
    model.awaitWeights = { range in
      #expect(range.upperBound == left, "from the end to the front")
      left = range.lowerBound
      for index in range { arriving.pointer[index] = parameters.pointer[index] }
    }
    #expect(model.forward(batch) == expected)
    #expect(left == 0)
  }

  /// After a larger batch, so that the room holds what an earlier pass left.
  @Test(arguments: names)
  func activationsMadeAgainGiveTheSameBits(name: String) throws {
    let golden = try Golden(Self.folder + "/" + name)
    let (description, parameters) = try GoldenTests.model(Self.folder + "/" + name)
    let model = Transformer(description: description, parameters: parameters, workers: Workers(threads: 2))
    func gradients(_ trees: [[ScoredSequence]]) -> [UInt32] {
      let batch = PackedBatch(trees.map { Transformer.tree($0, for: description) })
      _ = model.forward(batch, forBackward: true)
      let gradients = FloatBuffer(count: description.bufferCount)
      model.backward(
        batch, coefficients: Array(golden.coefficients.prefix(batch.targetCount)), gradients: gradients)
      return gradients.all.map(\.bitPattern)
    }
    let trees = golden.sequences.map { [$0] }
    let kept = [gradients(trees), gradients([trees[0]])]
    model.recomputes = true
    #expect([gradients(trees), gradients([trees[0]])] == kept)
    model.recomputes = false
    #expect(gradients(trees) == kept[0])
  }

  private func compare(_ name: String, _ type: WeightType, logitBudget: Int) throws {
    let path = Self.folder + "/" + name
    let golden = try Golden(path)
    let (description, parameters) = try GoldenTests.model(path)
    var weights = WeightBuffer(parameters)
    if type != .float32 {
      weights = WeightBuffer(count: parameters.count, type: type)
      try SafetensorsFolder(path).load(description, into: weights.halves, as: StorageType(rawValue: type.rawValue)!)
    }
    let model = Transformer(
      description: description, weights: weights, workers: Workers(threads: 2), logitBudgetBytes: logitBudget)
    // One tree and three: a shared prompt gives what the prompt of each would.
    for trees in [[golden.sequences], golden.sequences.map { [$0] }] {
      let batch = PackedBatch(trees.map { Transformer.tree($0, for: description) })
      let logProbs = model.forward(batch, forBackward: true)
      #expect(logProbs.count == golden.logProbs.count)
      for (value, truth) in zip(logProbs, golden.logProbs) {
        // The tolerance is 2e-4; on models this small fp32 is better.
        #expect(abs(Double(value) - truth) < 5e-5)
      }
      let gradients = FloatBuffer(count: description.bufferCount)
      model.backward(batch, coefficients: golden.coefficients, gradients: gradients)
      let file = try SafetensorsFile(path + "/gradients.safetensors")
      var errors: [Double] = []
      for parameter in description.parameters {
        let truth = try Self.unstored(file.values(of: parameter.name), parameter)
        let own = gradients.slice(parameter.range).map(Double.init)
        let difference = zip(own, truth).map { ($0 - $1) * ($0 - $1) }.reduce(0, +).squareRoot()
        let norm = truth.map { $0 * $0 }.reduce(0, +).squareRoot()
        #expect(norm > 0, "\(parameter.name) has a gradient")
        let error = difference / norm
        #expect(error < 1e-3, "\(parameter.name): relative error \(error)")
        errors.append(error)
      }
      #expect(errors.sorted()[errors.count / 2] < 2e-4)
    }
  }

  /// All logits of a position: a sequence for every token of the vocabulary, scored there.
  @Test(arguments: names) func logitsEqualPyTorch(name: String) throws {
    let path = Self.folder + "/" + name
    let golden = try Golden(path)
    let (description, parameters) = try GoldenTests.model(path)
    let model = Transformer(description: description, parameters: parameters, workers: Workers(threads: 1))
    let prefix = golden.sequences.last!.tokens
    let sequences = (0..<description.vocabularySize).map {
      ScoredSequence(tokens: prefix + [Int32($0)], scored: prefix.count..<prefix.count + 1)
    }
    // Frequencies that follow the length would see one token more than the truth did.
    if description.regime(length: prefix.count + 1) != description.regime(length: prefix.count) { return }
    let logProbs = model.forward(PackedBatch([Transformer.tree(sequences, for: description)]))
    for (value, truth) in zip(logProbs, golden.lastLogSoftmax) { #expect(abs(Double(value) - truth) < 5e-5) }
  }

  /// What is written is what was read, names and shapes included.
  @Test(arguments: names) func writtenFoldersHoldTheSameTensors(name: String) throws {
    let path = Self.folder + "/" + name
    let source = try SafetensorsFolder(path)
    let (description, parameters) = try GoldenTests.model(path)
    let file = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).safetensors").path
    defer { try? FileManager.default.removeItem(atPath: file) }
    try SafetensorsWriter.write(description.parameters, as: .float32, to: file) { parameter, body in
      try body(UnsafeBufferPointer(rebasing: UnsafeBufferPointer(parameters.all)[parameter.range]))
    }
    let written = try SafetensorsFile(file)
    for parameter in description.parameters {
      #expect(written.shape(of: parameter.name) == source.shape(of: parameter.name))
      #expect(try written.values(of: parameter.name) == source.values(of: parameter.name))
    }
  }

  private static func unstored(_ values: [Float], _ parameter: Parameter) -> [Double] {
    guard parameter.isStoredTransposed else { return values.map(Double.init) }
    let (outputs, inputs) = (parameter.shape[0], parameter.shape[1])
    return (0..<outputs * inputs).map { Double(values[$0 % inputs * outputs + $0 / inputs]) }
  }
}
