import RunFolder

/// The options of all objectives, under the keys that users write them by. Each is checked by the objectives that use it.
package struct ObjectiveOptions: Sendable, Equatable {
  /// `beta`: the scale of implicit rewards, above 0.
  package var beta: Double
  /// `label_smoothing`: the probability that a label is wrong, in [0, 0.5).
  package var labelSmoothing: Double
  /// `gamma_beta_ratio`: SimPO's margin γ in units of β, at least 0.
  package var gammaBetaRatio: Double
  /// `treg_alpha`: the weight of token-level reward regularisation; 0 leaves the plain loss, nil stands for
  /// ``defaultTregAlpha`` where the objective takes token rewards and for 0 where it does not.
  package var tregAlpha: Double?
  /// `treg_weight: static`: T-REG without its weight w.
  package var hasStaticWeight = false
  /// `rpo_alpha`: the weight of the chosen response's negative log-likelihood, added to the loss.
  package var rpoAlpha: Double?
  /// `use_weighting`: pairs count by ``PairWeighted``, as in TRL.
  package var usesWeighting = false
  /// `ld_alpha`: what tokens beyond the shorter response's length count, in [0, 1]; nil: as much as all others.
  package var lengthAlpha: Double?
  /// `ipo_reduction`.
  package var ipoReduction = Reduction.mean
  package var discopopTau = 0.05
  package var cpoAlpha = 1.0
  package var tdpoAlpha = 0.5
  package var sepoRatio = 0.3
  package var sepoScale = 1.0
  package var tisScale = 1.0
  package var tisMu = 1.0
  package var tisLower = -0.5
  package var tisUpper = 1.5
  package var tisKL = 0.0
  /// `tis_weights`.
  package var tisWeights = TISWeights.exponential
  package var tgdpoAlpha = 0.5
  package var d2poGamma = 0.98

  package enum Reduction: String, Sendable { case mean, sum }
  package enum TISWeights: String, Sendable { case exponential, rank }

  /// α of T-REG where nothing is said.
  package static let defaultTregAlpha = 0.25

  package init(
    beta: Double = 0.1, labelSmoothing: Double = 0, gammaBetaRatio: Double = 0.5, tregAlpha: Double? = nil
  ) {
    self.beta = beta
    self.labelSmoothing = labelSmoothing
    self.gammaBetaRatio = gammaBetaRatio
    self.tregAlpha = tregAlpha
  }

  func checkedBeta() throws -> Double {
    try checked(beta, "beta", "a number above 0") { $0 > 0 }
  }

  func checkedLabelSmoothing() throws -> Double {
    try checked(labelSmoothing, "label_smoothing", "a number from 0 up to but not including 0.5") {
      $0 >= 0 && $0 < 0.5
    }
  }

  func checkedGammaBetaRatio() throws -> Double {
    try checked(gammaBetaRatio, "gamma_beta_ratio", "a number of at least 0") { $0 >= 0 }
  }

  func checkedLengthAlpha() throws -> Double? {
    try lengthAlpha.map { try checked($0, "ld_alpha", "a number from 0 to 1") { $0 >= 0 && $0 <= 1 } }
  }

  /// The value of a key, if it is finite and `holds`.
  func checked(
    _ value: Double, _ key: String, _ expectation: String, _ holds: (Double) -> Bool
  ) throws -> Double {
    guard value.isFinite, holds(value) else {
      throw TregError.configuration(at: key, "expected \(expectation), found \(value)")
    }
    return value
  }
}
