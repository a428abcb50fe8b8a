/// d r(y) / d log π(y_t): what each scored token of a response counts in its reward.
package enum TokenScales: Sendable {
  case uniform(Double)
  case each([Double])

  subscript(token: Int) -> Double {
    switch self {
    case .uniform(let scale): scale
    case .each(let scales): scales[token]
    }
  }

  /// Σ_t scale_t · (values_t − baseline_t).
  func sum(_ values: [Float], minus baseline: [Float]?) -> Double {
    func difference(_ token: Int) -> Double { Double(values[token]) - (baseline.map { Double($0[token]) } ?? 0) }
    var sum = 0.0
    switch self {
    case .uniform(let scale):
      for token in values.indices { sum += difference(token) }
      return scale * sum
    case .each(let scales):
      for token in values.indices { sum += scales[token] * difference(token) }
      return sum
    }
  }

  /// Adds `factor` · scale_t to every coefficient.
  func add(_ factor: Double, to coefficients: inout [Float]) {
    switch self {
    case .uniform(let scale):
      let step = Float(factor * scale)
      for token in coefficients.indices { coefficients[token] += step }
    case .each(let scales):
      for token in coefficients.indices { coefficients[token] += Float(factor * scales[token]) }
    }
  }

  /// The scales times a number.
  func scaled(by factor: Double) -> TokenScales {
    switch self {
    case .uniform(let scale): .uniform(factor * scale)
    case .each(let scales): .each(scales.map { factor * $0 })
    }
  }
}

extension TokenScales {
  /// `scale` for every token; with LD-DPO's `ld_alpha` (arXiv 2409.06411) α · `scale` for those beyond the length of the
  /// shorter response.
  static func desensitized(_ scale: Double, _ side: Side, _ pair: PairStatistics, alpha: Double?) -> TokenScales {
    let (count, shared) = (pair[side].count, min(pair.chosen.count, pair.rejected.count))
    guard let alpha, count > shared else { return .uniform(scale) }
    return .each((0..<count).map { $0 < shared ? scale : alpha * scale })
  }
}
