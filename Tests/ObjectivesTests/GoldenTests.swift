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
    func list(_ key: String) throws -> [Float]? { try value?[key].map { try numbers($0).map(Float.init) } }
    return ResponseStatistics(
      logProbs: try #require(try list("log_probs")), reference: try list("reference"), rewards: try list("rewards"),
      logRatios: try list("log_ratios"), logSquares: try list("log_squares"),
      referenceDivergence: try list("reference_divergence"), policyDivergence: try list("policy_divergence"))
  }

  static func options(_ value: JSONValue?) throws -> ObjectiveOptions {
    var options = ObjectiveOptions()
    for (key, value) in try #require(value?.object) {
      func number() throws -> Double { try #require(value.double, "\(key)") }
      switch key {
      case "beta": options.beta = try number()
      case "label_smoothing": options.labelSmoothing = try number()
      case "gamma_beta_ratio": options.gammaBetaRatio = try number()
      case "treg_alpha": options.tregAlpha = try number()
      case "treg_weight": options.hasStaticWeight = value.string == "static"
      case "rpo_alpha": options.rpoAlpha = try number()
      case "use_weighting": options.usesWeighting = value.bool == true
      case "ld_alpha": options.lengthAlpha = try number()
      case "ipo_reduction": options.ipoReduction = try #require(.init(rawValue: value.string ?? ""))
      case "discopop_tau": options.discopopTau = try number()
      case "cpo_alpha": options.cpoAlpha = try number()
      case "tdpo_alpha": options.tdpoAlpha = try number()
      case "sepo_ratio": options.sepoRatio = try number()
      case "sepo_scale": options.sepoScale = try number()
      case "tis_weights": options.tisWeights = try #require(.init(rawValue: value.string ?? ""))
      case "tis_scale": options.tisScale = try number()
      case "tis_mu": options.tisMu = try number()
      case "tis_lower": options.tisLower = try number()
      case "tis_upper": options.tisUpper = try number()
      case "tis_kl": options.tisKL = try number()
      case "tgdpo_alpha": options.tgdpoAlpha = try number()
      case "d2po_gamma": options.d2poGamma = try number()
      default: Issue.record("unknown option \(key)")
      }
    }
    return options
  }

  /// Inputs are exact in Float and sums run in Double, so only the last digits may differ.
  static func near(_ found: Double, _ expected: Double, _ tolerance: Double) -> Bool {
    abs(found - expected) <= tolerance * max(1e-3, abs(expected))
  }

  @Test func equalsAutograd() throws {
    let cases = try Self.cases()
    #expect(cases.count == 176)
    var seen: Set<String> = []
    for (index, golden) in cases.enumerated() {
      let lossTypes = try #require(golden["loss_type"]?.array).map { try #require($0.string) }
      seen.formUnion(lossTypes)
      let objective = try ObjectiveRegistry.objective(
        lossTypes: lossTypes, weights: try Self.numbers(golden["loss_weights"]),
        options: try Self.options(golden["options"]))
      let pair = PairStatistics(
        chosen: try Self.response(golden["chosen"]), rejected: try Self.response(golden["rejected"]))
      let (outcome, coefficients) = objective.evaluate(pair)
      for (found, key) in [
        (outcome.loss, "loss"), (outcome.weight, "weight"), (outcome.regularizer, "regularizer"),
        (outcome.chosenReward, "chosen_reward"), (outcome.rejectedReward, "rejected_reward"),
      ] {
        let expected = try #require(golden[key]?.double)
        #expect(Self.near(found, expected, 1e-11), "case \(index) \(lossTypes), \(key): \(found), \(expected)")
      }
      for (found, key) in [
        (coefficients.chosen.logProbs, "chosen_log_probs"), (coefficients.rejected.logProbs, "rejected_log_probs"),
        (coefficients.chosen.referenceDivergence, "chosen_reference_divergence"),
        (coefficients.rejected.referenceDivergence, "rejected_reference_divergence"),
        (coefficients.chosen.policyDivergence, "chosen_policy_divergence"),
        (coefficients.rejected.policyDivergence, "rejected_policy_divergence"),
      ] {
        // Where autograd gives zeros, or none, there is no list.
        let expected = try golden[key].map { try Self.numbers($0) } ?? found.map { _ in 0 }
        try #require(found.count == expected.count)
        let largest = expected.map(abs).max() ?? 0
        for (found, expected) in zip(found, expected) {
          // Float roundings of the largest coefficient of the response, one for each term of the loss and one more.
          #expect(
            abs(Double(found) - expected) <= 3.6e-7 * largest + 1e-300,
            "case \(index) \(lossTypes), \(key): \(found), \(expected)")
        }
      }
    }
    #expect(seen == Set(ObjectiveRegistry.firstNames), "every objective has golden values")
  }
}
