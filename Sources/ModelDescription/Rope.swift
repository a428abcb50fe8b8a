import Glibc

/// Rotary position embedding: the base of its wavelengths and how they are stretched for longer texts.
package struct Rope: Sendable, Hashable {
  package enum Scaling: Sendable, Hashable {
    case none
    /// Llama 3.1: long wavelengths are stretched by `factor`, short ones kept, those between blended.
    case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalLength: Double)
  }

  package let theta: Double
  package let scaling: Scaling

  package init(theta: Double, scaling: Scaling = .none) {
    self.theta = theta
    self.scaling = scaling
  }

  /// Radians per position of each rotated pair, `1 / theta^(2i/d)` for i in `0 ..< d/2`, then scaled.
  ///
  /// Every operation is done in fp32 in the order of transformers (`modeling_rope_utils.py`), because those rounded
  /// values are what the weights were trained with. The power alone is rounded from fp64, where PyTorch's may lie one
  /// unit in the last place away.
  package func inverseFrequencies(headDimension: Int) -> [Float] {
    let plain = stride(from: 0, to: headDimension, by: 2).map { index in
      1 / Float(pow(Double(Float(theta)), Double(Float(index) / Float(headDimension))))
    }
    guard case .llama3(let factor, let low, let high, let originalLength) = scaling else { return plain }
    let longWavelength = Float(originalLength / low)
    let shortWavelength = Float(originalLength / high)
    return plain.map { frequency in
      let wavelength = Float(2 * Double.pi) / frequency
      if wavelength < shortWavelength { return frequency }
      if wavelength > longWavelength { return frequency / Float(factor) }
      let smooth = (Float(originalLength) / wavelength - Float(low)) / Float(high - low)
      return (1 - smooth) * frequency / Float(factor) + smooth * frequency
    }
  }
}
