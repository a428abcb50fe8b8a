import Compute
import Foundation
import ModelDescription
import OrderedJSON
import RunFolder
import Testing
import Training

@Suite struct AdamWTests {
  /// Under a constant gradient both moments and every step have closed forms. In fp32 1 − 0.999 is off by 1.3e-5 of itself;
  /// torch subtracts in double precision, and a whole run shows the difference.
  @Test func momentsAndStepsAreThoseOfTheFormula() throws {
    let path = GoldenTrainingTests.folder + "/tied"
    let model = try ModelDescription(
      configuration: JSONValue(parsing: FileSystem.readBytes(path + "/config.json")), place: path)
    let trained = TrainedParameters(model)
    let parameters = FloatBuffer(count: trained.bufferCount)
    let gradients = FloatBuffer(count: trained.bufferCount)
    parameters.all.update(repeating: 0)
    gradients.all.update(repeating: 0.5)
    let optimizer = AdamW(
      trained, ranges: [0..<trained.bufferCount], options: AdamW.Options(), workers: Workers(threads: 1))
    let steps = 3
    for _ in 0..<steps {
      optimizer.update(parameters: parameters.pointer, gradients: gradients, gradientScale: 1, learningRate: 1e-3)
    }
    for parameter in trained.parameters {
      let element = parameter.range.lowerBound
      for (name, found, expected) in [
        ("mean", optimizer.mean.all[element], 0.5 * (1 - pow(0.9, Double(steps)))),
        ("square", optimizer.square.all[element], 0.25 * (1 - pow(0.999, Double(steps)))),
        ("parameter", parameters.all[element], -1e-3 * Double(steps)),
      ] {
        #expect(abs(Double(found) / expected - 1) < 1e-6, "\(name) of \(parameter.name): \(found), not \(expected)")
      }
    }
  }
}
