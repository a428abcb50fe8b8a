import Foundation
import Objectives
import RunFolder
import Testing

@Suite struct ObjectiveTests {
  static let pair = PairStatistics(
    chosen: ResponseStatistics(logProbs: [-1, -2.5, -0.25], reference: [-1.5, -2, -0.5], rewards: [0.5, -0.25, 0]),
    rejected: ResponseStatistics(logProbs: [-3, -0.5], reference: [-2, -1], rewards: [-0.5, 0.125]))

  @Test func dpoWithRewardsIsDPOWithTokenWeights() throws {
    let options = ObjectiveOptions(beta: 0.3, tregAlpha: 0.5)
    let objective = try ObjectiveRegistry.objective(lossTypes: ["dpo"], options: options)
    let (outcome, coefficients) = objective.evaluate(Self.pair)
    let scalar = 0.3 * outcome.weight
    let chosen = try #require(Self.pair.chosen.rewards)
    let rejected = try #require(Self.pair.rejected.rewards)
    for (coefficient, reward) in zip(coefficients.chosen, chosen) {
      #expect(abs(Double(coefficient) + scalar * (1 + 0.5 * Double(reward))) < 1e-7)
    }
    for (coefficient, reward) in zip(coefficients.rejected, rejected) {
      #expect(abs(Double(coefficient) - scalar * (1 - 0.5 * Double(reward))) < 1e-7)
    }
  }

  @Test func startsAtLogarithmOfTwo() throws {
    let response = ResponseStatistics(logProbs: [-1, -7], reference: [-1, -7])
    let objective = try ObjectiveRegistry.objective(lossTypes: ["sigmoid"], options: ObjectiveOptions(tregAlpha: 0))
    let (outcome, _) = objective.evaluate(PairStatistics(chosen: response, rejected: response))
    #expect(abs(outcome.loss - log(2)) < 1e-15)
    #expect(outcome.weight == 0.5)
    #expect(outcome.regularizer == 0)
  }

  @Test(arguments: ["dpo", "simpo"], [1e4, -1e4]) func staysFiniteAtExtremeMargins(name: String, margin: Float) throws {
    let objective = try ObjectiveRegistry.objective(
      lossTypes: [name], options: ObjectiveOptions(beta: 1, labelSmoothing: 0.1, tregAlpha: 0.25))
    let pair = PairStatistics(
      chosen: ResponseStatistics(logProbs: [margin], reference: [0], rewards: [0.5]),
      rejected: ResponseStatistics(logProbs: [0], reference: [0], rewards: [-0.5]))
    let (outcome, coefficients) = objective.evaluate(pair)
    #expect(outcome.loss.isFinite && outcome.weight.isFinite)
    #expect(coefficients.chosen[0].isFinite && coefficients.rejected[0].isFinite)
    #expect(outcome.loss > 999)
    #expect(coefficients.chosen[0] * margin > 0)
  }

  @Test func scalesAndSums() throws {
    let options = ObjectiveOptions(beta: 0.5, tregAlpha: 0.25)
    let dpo = try ObjectiveRegistry.objective(lossTypes: ["dpo"], options: options).evaluate(Self.pair)
    let simpo = try ObjectiveRegistry.objective(lossTypes: ["simpo"], options: options).evaluate(Self.pair)
    let sum = try ObjectiveRegistry.objective(lossTypes: ["dpo", "simpo"], weights: [2, 0.5], options: options)
    #expect(sum.needs == [.reference, .rewards])
    var coefficients = PairCoefficients(zerosFor: Self.pair)
    let outcome = sum.evaluate(Self.pair, scale: 0.25, into: &coefficients)
    #expect(abs(outcome.loss - (2 * dpo.outcome.loss + 0.5 * simpo.outcome.loss)) < 1e-14)
    #expect(abs(outcome.regularizer - (2 * dpo.outcome.regularizer + 0.5 * simpo.outcome.regularizer)) < 1e-14)
    #expect(outcome.chosenReward == dpo.outcome.chosenReward)
    for token in coefficients.chosen.indices {
      let expected = 0.25 * (2 * dpo.coefficients.chosen[token] + 0.5 * simpo.coefficients.chosen[token])
      #expect(abs(coefficients.chosen[token] - expected) < 1e-7)
    }
  }

  @Test func needsOnlyWhatItUses() throws {
    func needs(_ name: String, alpha: Double) throws -> Needs {
      try ObjectiveRegistry.objective(lossTypes: [name], options: ObjectiveOptions(tregAlpha: alpha)).needs
    }
    #expect(try needs("dpo", alpha: 0) == .reference)
    #expect(try needs("dpo", alpha: 0.1) == [.reference, .rewards])
    #expect(try needs("simpo", alpha: 0) == [])
    #expect(try needs("simpo", alpha: 0.1) == .rewards)
  }

  @Test(
    arguments: [
      (["ipo!"], nil, ObjectiveOptions(), "loss_type: unknown objective \"ipo!\"; expected one of dpo, sigmoid, simpo"),
      ([], nil, ObjectiveOptions(), "loss_type: expected at least one of dpo, sigmoid, simpo"),
      (["dpo"], nil, ObjectiveOptions(beta: 0), "beta: expected a number above 0, found 0.0"),
      (
        ["dpo"], nil, ObjectiveOptions(labelSmoothing: 0.5),
        "label_smoothing: expected a number from 0 up to but not including 0.5, found 0.5"
      ),
      (
        ["simpo"], nil, ObjectiveOptions(gammaBetaRatio: -1),
        "gamma_beta_ratio: expected a number of at least 0, found -1.0"
      ),
      (["dpo"], nil, ObjectiveOptions(tregAlpha: .nan), "treg_alpha: expected a number of at least 0, found nan"),
      (["dpo", "simpo"], [1], ObjectiveOptions(), "loss_weights: expected 2 numbers, one for each loss_type, found 1"),
      (["dpo"], [0], ObjectiveOptions(), "loss_weights: expected numbers of at least 0, and not all 0"),
    ] as [([String], [Double]?, ObjectiveOptions, String)])
  func namesTheWrongKey(lossTypes: [String], weights: [Double]?, options: ObjectiveOptions, message: String) {
    #expect {
      _ = try ObjectiveRegistry.objective(lossTypes: lossTypes, weights: weights, options: options)
    } throws: { error in
      guard let error = error as? TregError else { return false }
      return error.exitCode == .configuration && error.description == message
    }
  }
}
