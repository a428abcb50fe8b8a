import Glibc

/// Rotary position embedding: the base of its wavelengths and how they are stretched for longer texts.
package struct Rope: Sendable, Hashable {
  package enum Scaling: Sendable, Hashable {
    case none
    /// All wavelengths times `factor`.
    case linear(factor: Double)
    /// Beyond `trainedLength` tokens the base grows with the sequence (NTK-aware).
    case dynamic(factor: Double, trainedLength: Int)
    /// Llama 3.1: long wavelengths are stretched by `factor`, short ones kept, those between blended.
    case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalLength: Double)
    case yarn(YaRN)
    /// Every pair has a factor of its own, one for texts up to `originalLength` tokens and one beyond; cosine and sine
    /// are multiplied by `attentionFactor` (Phi 3).
    case longrope(short: [Float], long: [Float], originalLength: Int, attentionFactor: Double)
  }

  /// YaRN (arXiv 2309.00071): pairs that turn more than `fast` times over `originalLength` tokens are kept, those that
  /// turn less than `slow` times stretched by `factor`, those between blended.
  package struct YaRN: Sendable, Hashable {
    package var factor: Double
    package var originalLength: Double
    package var fast = 32.0
    package var slow = 1.0
    package var truncates = true
    package var attentionFactor: Double
  }

  package let theta: Double
  package let scaling: Scaling

  package init(theta: Double, scaling: Scaling = .none) {
    self.theta = theta
    self.scaling = scaling
  }

  /// What cosine and sine are multiplied by.
  package var attentionFactor: Double {
    switch scaling {
    case .yarn(let yarn): yarn.attentionFactor
    case .longrope(_, _, _, let factor): factor
    default: 1
    }
  }

  /// See ``ModelDescription/regime(length:)``.
  package func regime(length: Int) -> Int {
    switch scaling {
    case .dynamic(_, let trained): length > trained ? length : 0
    case .longrope(_, _, let original, _): length > original ? original + 1 : 0
    default: 0
    }
  }

  /// Radians per position of each rotated pair, `1 / theta^(2i/d)` for i in `0 ..< d/2`, then scaled.
  ///
  /// Every operation is done in fp32 in the order of transformers (`modeling_rope_utils.py`), because those rounded
  /// values are what the weights were trained with. The power alone is rounded from fp64, where PyTorch's may lie one
  /// unit in the last place away.
  ///
  /// - Parameters:
  ///   - headDimension: d, the elements that are rotated.
  ///   - regime: of the sequence, see ``regime(length:)``.
  package func inverseFrequencies(headDimension: Int, regime: Int = 0) -> [Float] {
    func powers(_ theta: Float) -> [Float] {
      stride(from: 0, to: headDimension, by: 2).map {
        Float(pow(Double(theta), Double(Float($0) / Float(headDimension))))
      }
    }
    let plain = powers(Float(theta))
    switch scaling {
    case .none: return plain.map { 1 / $0 }
    case .linear(let factor): return plain.map { 1 / $0 / Float(factor) }
    case .dynamic(let factor, let trained):
      guard regime > trained else { return plain.map { 1 / $0 } }
      let growth = Float(factor) * Float(regime) / Float(trained) - Float(factor - 1)
      let exponent = Float(Double(headDimension) / Double(headDimension - 2))
      return powers(Float(theta) * Float(pow(Double(growth), Double(exponent)))).map { 1 / $0 }
    case .llama3(let factor, let low, let high, let originalLength):
      return plain.map { 1 / $0 }.map { frequency in
        let wavelength = Float(2 * Double.pi) / frequency
        if wavelength < Float(originalLength / high) { return frequency }
        if wavelength > Float(originalLength / low) { return frequency / Float(factor) }
        let smooth = (Float(originalLength) / wavelength - Float(low)) / Float(high - low)
        return (1 - smooth) * frequency / Float(factor) + smooth * frequency
      }
    case .yarn(let yarn):
      let range = yarn.blendedPairs(theta: theta, dimension: headDimension)
      return plain.enumerated().map { pair, power in
        let share = min(max((Float(pair) - Float(range.low)) / Float(range.high - range.low), 0), 1)
        return 1 / (Float(yarn.factor) * power) * share + 1 / power * (1 - share)
      }
    case .longrope(let short, let long, _, _):
      return zip(regime > 0 ? long : short, plain).map { 1 / ($0 * $1) }
    }
  }
}

extension Rope {
  /// What transformers takes for longrope's attention factor when the file does not say: √(1 + ln factor / ln length).
  package static func longropeAttentionFactor(_ factor: Double, originalLength: Double) -> Double {
    factor <= 1 ? 1 : (1 + log(factor) / log(originalLength)).squareRoot()
  }
}

extension Rope.YaRN {
  /// What transformers takes for the attention factor when the file does not say: 0.1·ln(factor) + 1.
  package static func standardAttentionFactor(_ factor: Double, scale: Double = 1) -> Double {
    factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1
  }

  /// Between which pairs the blend goes from kept to stretched.
  fileprivate func blendedPairs(theta: Double, dimension: Int) -> (low: Double, high: Double) {
    func pair(turns: Double) -> Double {
      Double(dimension) * log(originalLength / (turns * 2 * .pi)) / (2 * log(theta))
    }
    let low = max(truncates ? floor(pair(turns: fast)) : pair(turns: fast), 0)
    let high = min(truncates ? ceil(pair(turns: slow)) : pair(turns: slow), Double(dimension - 1))
    // Equal ends would divide by nothing.
    return (low, low == high ? high + 0.001 : high)
  }
}
