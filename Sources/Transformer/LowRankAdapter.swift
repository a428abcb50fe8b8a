import Compute
import ModelDescription

/// The values of a model's low-rank adapters.
package struct LowRankAdapter: Sendable {
  package let layout: LowRankLayout
  /// A and B of every projection, laid out as ``layout`` says.
  package let values: FloatBuffer

  /// All zero: nothing is added to the model, and nothing would ever be learned.
  package init(_ layout: LowRankLayout) {
    self.layout = layout
    values = FloatBuffer(count: layout.bufferCount)
  }
}
