import Foundation
import Objectives
import OrderedJSON
import Testing

/// Losses and gradients beside PyTorch's, float64, by autograd (Tests/Oracles/objectives_golden.py).
@Suite struct GoldenTests {
  static func cases() throws -> [JSONValue] {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Golden/objectives.json")
    return try #require(JSONValue(parsing: Data(contentsOf: path)).array)
  }

  static func numbers(_ value: JSONValue?) throws -> [Double] {
    try #require(value?.array).map { try #require($0.double) }
  }

  static func response(_ value: JSONValue?) throws -> ResponseStatistics {
    ResponseStatistics(
      logProbs: try numbers(value?["log_probs"]).map(Float.init),
      reference: try numbers(value?["reference"]).map(Float.init),
      rewards: try numbers(value?["rewards"]).map(Float.init))
  }

  /// Inputs are exact in Float and sums run in Double, so only the last digits may differ.
  static func near(_ found: Double, _ expected: Double, _ tolerance: Double) -> Bool {
    abs(found - expected) <= tolerance * max(1e-3, abs(expected))
  }

  @Test func equalsAutograd() throws {
    let cases = try Self.cases()
    #expect(cases.count == 50)
    for (index, golden) in cases.enumerated() {
      func number(_ key: String) throws -> Double { try #require(golden[key]?.double) }
      let objective = try ObjectiveRegistry.objective(
        lossTypes: [try #require(golden["loss_type"]?.string)],
        options: ObjectiveOptions(
          beta: number("beta"), labelSmoothing: number("label_smoothing"), gammaBetaRatio: number("gamma_beta_ratio"),
          tregAlpha: number("treg_alpha")))
      let pair = PairStatistics(
        chosen: try Self.response(golden["chosen"]), rejected: try Self.response(golden["rejected"]))
      let (outcome, coefficients) = objective.evaluate(pair)
      for (found, key) in [
        (outcome.loss, "loss"), (outcome.weight, "weight"), (outcome.regularizer, "regularizer"),
        (outcome.chosenReward, "chosen_reward"), (outcome.rejectedReward, "rejected_reward"),
      ] {
        #expect(Self.near(found, try number(key), 1e-11), "case \(index), \(key)")
      }
      for (found, key) in [
        (coefficients.chosen, "chosen_coefficients"), (coefficients.rejected, "rejected_coefficients"),
      ] {
        let expected = try Self.numbers(golden[key])
        #expect(found.count == expected.count)
        let largest = expected.map(abs).max() ?? 0
        for (found, expected) in zip(found, expected) {
          // Two Float roundings of the largest coefficient of the response.
          #expect(abs(Double(found) - expected) <= 2.4e-7 * largest + 1e-300, "case \(index), \(key)")
        }
      }
    }
  }
}
