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
    for (coefficient, reward) in zip(coefficients.chosen.logProbs, chosen) {
      #expect(abs(Double(coefficient) + scalar * (1 + 0.5 * Double(reward))) < 1e-7)
    }
    for (coefficient, reward) in zip(coefficients.rejected.logProbs, rejected) {
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
    #expect(coefficients.chosen.logProbs[0].isFinite && coefficients.rejected.logProbs[0].isFinite)
    #expect(outcome.loss > 999)
    #expect(coefficients.chosen.logProbs[0] * margin > 0)
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
    for token in coefficients.chosen.logProbs.indices {
      let expected =
        0.25 * (2 * dpo.coefficients.chosen.logProbs[token] + 0.5 * simpo.coefficients.chosen.logProbs[token])
      #expect(abs(coefficients.chosen.logProbs[token] - expected) < 1e-7)
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

  private static func objective(
    _ names: [String], _ change: (inout ObjectiveOptions) -> Void = { _ in }
  ) throws -> any Objective {
    var options = ObjectiveOptions()
    options.labelSmoothing = names.contains("exo_pair") ? 0.1 : 0
    change(&options)
    return try ObjectiveRegistry.objective(lossTypes: names, options: options)
  }

  /// A pair of which policy and reference think alike.
  private static let start: PairStatistics = {
    func response(_ logProbs: [Float]) -> ResponseStatistics {
      let zeros = logProbs.map { _ in Float(0) }
      return ResponseStatistics(
        logProbs: logProbs, reference: logProbs, rewards: [0.25, -0.5], logRatios: [1, -2], logSquares: [-2, -1],
        referenceDivergence: zeros, policyDivergence: zeros)
    }
    return PairStatistics(chosen: response([-1, -2]), rejected: response([-3, -0.5]))
  }()

  @Test(
    arguments: [
      ("dpo", 0.6931471805599453), ("robust", 0.6931471805599453), ("hinge", 1), ("ipo", 25),
      ("sigmoid_norm", 0.6931471805599453), ("apo_zero", 1), ("apo_down", 1), ("bco_pair", 1.3862943611198906),
      ("nca_pair", 1.3862943611198906), ("sppo_hard", 50), ("tdpo1", 0.6931471805599453),
      ("tdpo2", 0.6931471805599453), ("tis_dpo", 0.6931471805599453), ("tgdpo", 0.6931471805599453),
      ("d2po", 0.6931471805599453),
    ] as [(String, Double)])
  func firstLosses(name: String, loss: Double) throws {
    let objective = try Self.objective([name]) { $0.tregAlpha = 0 }
    #expect(abs(objective.evaluate(Self.start).outcome.loss - loss) < 1e-12)
  }

  /// Where the margin is the same, TGDPO's gradient is T-REG's: at the start it is 0 for both.
  @Test func guidedAndRegularizedDPOBeginAlike() throws {
    let guided = try Self.objective(["tgdpo"]) { $0.tgdpoAlpha = 0.75 }
    let regularized = try Self.objective(["dpo"]) { $0.tregAlpha = 0.75 }
    for side in [\PairCoefficients.chosen, \.rejected] {
      let (one, other) = (
        guided.evaluate(Self.start).coefficients[keyPath: side].logProbs,
        regularized.evaluate(Self.start).coefficients[keyPath: side].logProbs
      )
      // T-REG adds its share in a rounding of its own.
      for (a, b) in zip(one, other) { #expect(abs(a - b) < 1e-8) }
    }
    // And further on they part by the rewards' share of the margin alone.
    let (a, b) = (guided.evaluate(Self.pair), regularized.evaluate(Self.pair))
    let ratio = a.outcome.weight / b.outcome.weight
    #expect(abs(ratio - 1) > 1e-3)
    for side in [\PairCoefficients.chosen, \.rejected] {
      for (one, other) in zip(a.coefficients[keyPath: side].logProbs, b.coefficients[keyPath: side].logProbs) {
        #expect(abs(Double(one) - ratio * Double(other)) < 1e-8)
      }
    }
  }

  @Test func tokenRewardsAreTakenWhereTheyFit() throws {
    for name in ObjectiveRegistry.firstNames {
      let objective = try Self.objective([name])
      let takes = objective.name.contains("-reg")
      let own = ["sepo", "tis_dpo", "tgdpo"].contains(name)
      #expect(objective.needs.contains(.rewards) == (takes || own), "\(name)")
      if takes {
        let plain = try Self.objective([name], { $0.tregAlpha = 0 })
        #expect(!plain.needs.contains(.rewards), "\(name)")
      } else {
        #expect(throws: TregError.self, "\(name)") { _ = try Self.objective([name], { $0.tregAlpha = 0.1 }) }
      }
    }
    // Of a sum those terms that take them.
    let sum = try Self.objective(["dpo", "sft"], { $0.tregAlpha = 0.1 })
    #expect(sum.name == "dpo-reg+sft")
  }

  @Test func everyObjectiveIsFiniteAtExtremeMargins() throws {
    for name in ObjectiveRegistry.firstNames {
      for margin in [Float(1e4), -1e4] {
        let objective = try Self.objective([name]) { $0.tisKL = 0.5 }
        func response(_ logProb: Float) -> ResponseStatistics {
          ResponseStatistics(
            logProbs: [min(logProb, 0), -1], reference: [min(-logProb, 0), -1], rewards: [0.5, -0.5],
            logRatios: [90, -90], logSquares: [-3, -3], referenceDivergence: [20, 0], policyDivergence: [20, 0])
        }
        let (outcome, coefficients) = objective.evaluate(
          PairStatistics(chosen: response(margin), rejected: response(-margin)))
        // DiscoPOP is exponential in the margin by its definition, but not beyond what a double holds here.
        #expect(outcome.loss.isFinite && outcome.weight.isFinite, "\(name) at \(margin)")
        for list in [coefficients.chosen.logProbs, coefficients.rejected.logProbs] {
          #expect(list.allSatisfy { $0.isFinite }, "\(name) at \(margin)")
        }
      }
    }
  }

  private static let known = ObjectiveRegistry.names.joined(separator: ", ")

  @Test(
    arguments: [
      (["ipo!"], nil, ObjectiveOptions(), "loss_type: unknown objective \"ipo!\"; expected one of \(known)"),
      ([], nil, ObjectiveOptions(), "loss_type: expected at least one of \(known)"),
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
      (
        ["orpo", "sft"], nil, ObjectiveOptions(tregAlpha: 0.25),
        "treg_alpha: orpo, sft cannot be regularised by token rewards; set it to 0 or leave it out"
      ),
      (
        ["exo_pair"], nil, ObjectiveOptions(tregAlpha: 0),
        "label_smoothing: exo_pair needs a number above 0, such as 1e-3"
      ),
      (
        ["aot"], nil, ObjectiveOptions(),
        "loss_type: aot orders the pairs of a whole batch, and losses are those of single pairs here"
      ),
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
