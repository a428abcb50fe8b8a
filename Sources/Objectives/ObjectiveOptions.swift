import RunFolder

/// The options of all objectives, under the keys that users write them by.
package struct ObjectiveOptions: Sendable, Equatable {
  /// `beta`: the scale of implicit rewards, above 0.
  package var beta: Double
  /// `label_smoothing`: the probability that a label is wrong, in [0, 0.5).
  package var labelSmoothing: Double
  /// `gamma_beta_ratio`: SimPO's margin γ in units of β, at least 0.
  package var gammaBetaRatio: Double
  /// `treg_alpha`: the weight of token-level reward regularisation; 0 leaves the plain loss.
  package var tregAlpha: Double

  package init(beta: Double = 0.1, labelSmoothing: Double = 0, gammaBetaRatio: Double = 0.5, tregAlpha: Double = 0.25) {
    self.beta = beta
    self.labelSmoothing = labelSmoothing
    self.gammaBetaRatio = gammaBetaRatio
    self.tregAlpha = tregAlpha
  }

  func checkedBeta() throws -> Double {
    try Self.check(beta, "beta", "a number above 0") { $0 > 0 }
  }

  func checkedLabelSmoothing() throws -> Double {
    try Self.check(labelSmoothing, "label_smoothing", "a number from 0 up to but not including 0.5") {
      $0 >= 0 && $0 < 0.5
    }
  }

  func checkedGammaBetaRatio() throws -> Double {
    try Self.check(gammaBetaRatio, "gamma_beta_ratio", "a number of at least 0") { $0 >= 0 }
  }

  func checkedTregAlpha() throws -> Double {
    try Self.check(tregAlpha, "treg_alpha", "a number of at least 0") { $0 >= 0 }
  }

  private static func check(
    _ value: Double, _ key: String, _ expectation: String, _ holds: (Double) -> Bool
  ) throws -> Double {
    guard value.isFinite, holds(value) else {
      throw TregError.configuration(at: key, "expected \(expectation), found \(value)")
    }
    return value
  }
}
