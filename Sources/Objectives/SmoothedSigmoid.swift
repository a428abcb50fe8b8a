import Foundation

/// log(1 + eˣ) without overflow.
func softplus(_ x: Double) -> Double {
  max(x, 0) + log1p(exp(-abs(x)))
}

/// 1 / (1 + e⁻ˣ), exact to the last digits on both sides.
func sigmoid(_ x: Double) -> Double {
  if x >= 0 { return 1 / (1 + exp(-x)) }
  let small = exp(x)
  return small / (1 + small)
}

/// The logistic loss of a logit whose label is wrong with probability ε (TRL's `label_smoothing`):
///
///     f(z)  = −(1 − ε) log σ(z) − ε log σ(−z)
///     f′(z) = −(1 − ε) σ(−z) + ε σ(z)
struct SmoothedSigmoid {
  let labelSmoothing: Double

  func loss(logit: Double) -> (value: Double, derivative: Double) {
    let kept = 1 - labelSmoothing
    if labelSmoothing == 0 { return (softplus(-logit), -sigmoid(-logit)) }
    return (
      kept * softplus(-logit) + labelSmoothing * softplus(logit),
      -kept * sigmoid(-logit) + labelSmoothing * sigmoid(logit)
    )
  }
}
