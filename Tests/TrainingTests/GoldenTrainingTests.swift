import Collectives
import Compute
import Configuration
import Foundation
import ModelDescription
import ModelFiles
import Objectives
import OrderedJSON
import PreferenceData
import RunFolder
import Scoring
import Testing
import Training
import Transformer

/// Five steps of DPO-REG against PyTorch in double precision: Tests/Oracles/transformer_golden.py made the files.
@Suite struct GoldenTrainingTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "TransformerTests/Golden").path

  private static func pair(_ value: JSONValue, row: Int) -> (TokenizedPair, RowScores) {
    func tokens(_ key: String) -> [Int32] { value[key]!.array!.map { Int32($0.integer!) } }
    func numbers(_ key: String) -> [Double] { value[key]!.array!.map { $0.double! } }
    let source = PreferenceRow(
      row: row, place: "golden:\(row)", prompt: .text(""), chosen: .text("a"), rejected: .text("b"))
    let pair = TokenizedPair(
      source: source, prompt: tokens("prompt"), chosen: Response(tokens: tokens("chosen")),
      rejected: Response(tokens: tokens("rejected")))
    // Rewards are given; better and worse log-probs that make them: r = ½ tanh(½(b − 0)).
    func scores(_ side: String) -> ResponseScores {
      let rewards = numbers("rewards_\(side)")
      return ResponseScores(
        reference: numbers("reference_\(side)").map(Float.init),
        better: rewards.map { Float(2 * atanh(2 * $0)) }, worse: rewards.map { _ in 0 })
    }
    return (pair, RowScores(row: row, chosen: scores("chosen"), rejected: scores("rejected")))
  }

  @Test(arguments: ["tied", "biased", "scaled", "sharded"], [4, 4096])
  func fiveStepsEqualPyTorch(variant: String, microBatchTokens: Int) throws {
    let path = Self.folder + "/" + variant
    let golden = try JSONValue(parsing: FileSystem.readBytes(path + "/training.json"))
    func number(_ key: String) -> Double { golden[key]!.double! }
    let configuration = try JSONValue(parsing: FileSystem.readBytes(path + "/config.json"))
    let description = try ModelDescription(configuration: configuration, place: path)
    let parameters = FloatBuffer(count: description.bufferCount)
    try SafetensorsFolder(path).load(description, into: parameters.all)
    let start = Array(parameters.all)
    let trainer = try Trainer(
      model: Transformer(description: description, parameters: parameters, workers: Workers(threads: 2)),
      objective: try ObjectiveRegistry.objective(
        lossTypes: ["dpo"], options: ObjectiveOptions(beta: number("beta"), tregAlpha: number("alpha"))),
      communicator: .solo(), exchange: .reduceScatter,
      schedule: LearningRateSchedule(
        peak: number("learning_rate"), shape: .cosine, warmupSteps: golden["warmup_steps"]!.integer!,
        totalSteps: golden["max_steps"]!.integer!),
      adamW: AdamW.Options(
        beta1: number("adam_beta1"), beta2: number("adam_beta2"), epsilon: number("adam_epsilon"),
        weightDecay: number("weight_decay")),
      maximumNorm: number("max_grad_norm"), microBatchTokens: microBatchTokens)
    let pairs = golden["pairs"]!.array!.enumerated().map { Self.pair($1, row: $0) }
    for step in golden["steps"]!.array! {
      let rows = step["rows"]!.array!.map { $0.integer! }
      let report = try trainer.step(
        rows.map { pairs[$0].0 }, scores: rows.map { pairs[$0].1 }, globalCount: rows.count)
      func close(_ value: Double, _ key: String, _ tolerance: Double) {
        let truth = step[key]!.double!
        #expect(abs(value - truth) <= tolerance * max(1, abs(truth)), "\(key): \(value) against \(truth)")
      }
      close(report.metrics.loss, "loss", 2e-5)
      close(report.learningRate, "learning_rate", 1e-15)
      close(report.gradientNorm, "grad_norm", 1e-4)
    }
    let truth = try SafetensorsFile(path + "/training-weights.safetensors")
    var errors: [Double] = []
    for parameter in description.parameters {
      let expected = try truth.values(of: parameter.name).map(Double.init)
      let own = parameters.slice(parameter.range).map(Double.init)
      let before = start[parameter.range].map(Double.init)
      let difference = zip(own, expected).map { ($0 - $1) * ($0 - $1) }.reduce(0, +).squareRoot()
      let change = zip(before, expected).map { ($0 - $1) * ($0 - $1) }.reduce(0, +).squareRoot()
      errors.append(difference / change)
      // Of the change, not of the weight: fp32 PyTorch lies up to 1.3e-2 from fp64 here, since Adam's first steps
      // divide small gradients by themselves.
      #expect(difference / change < 3e-2, "\(parameter.name): \(difference / change) of its change")
    }
    #expect(errors.sorted()[errors.count / 2] < 2e-3)
  }
}
