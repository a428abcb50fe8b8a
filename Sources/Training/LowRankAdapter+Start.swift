import ModelDescription
import PreferenceData
import Transformer

extension LowRankAdapter {
  /// As PEFT begins: A uniform in ±1/√inputs, B zero, so that the adapted model is the model itself.
  ///
  /// The numbers depend on the seed and on the tensor's place alone: every rank makes the same ones.
  package init(_ layout: LowRankLayout, seed: UInt64) {
    self.init(layout)
    for (index, projection) in layout.projections.enumerated() {
      let bound = 1 / Float(projection.inputs).squareRoot()
      var random = SplitMix64(seed: seed &+ 0x9E37_79B9_7F4A_7C15 &* UInt64(index + 1))
      for place in projection.a.range { values.pointer[place] = bound * (2 * random.nextUnit() - 1) }
    }
  }
}
