import Configuration
import Objectives

extension RunConfiguration {
  /// The objective that the keys ask for.
  ///
  /// - Throws: 78 with the key.
  package func objective() throws -> any Objective {
    var options = ObjectiveOptions(
      beta: beta, labelSmoothing: labelSmoothing, gammaBetaRatio: gammaBetaRatio, tregAlpha: tregAlpha)
    options.hasStaticWeight = tregWeight == .static
    options.rpoAlpha = rpoAlpha
    options.usesWeighting = useWeighting
    options.lengthAlpha = ldAlpha
    options.ipoReduction = ipoReduction == .sum ? .sum : .mean
    options.discopopTau = discopopTau
    options.cpoAlpha = cpoAlpha
    options.tdpoAlpha = tdpoAlpha
    options.sepoRatio = sepoRatio
    options.sepoScale = sepoScale
    options.tisWeights = tisWeights == .rank ? .rank : .exponential
    options.tisScale = tisScale
    options.tisMu = tisMu
    options.tisLower = tisLower
    options.tisUpper = tisUpper
    options.tisKL = tisKL
    options.tgdpoAlpha = tgdpoAlpha
    options.d2poGamma = d2poGamma
    return try ObjectiveRegistry.objective(lossTypes: lossType, weights: lossWeights, options: options)
  }
}
