import ModelDescription

extension Transformer {
  /// Multiplications and additions of a pass's matrix products, causal attention counted as the triangle it is.
  ///
  ///     forward: T tokens · 2 P, P elements of the layers' matrices;  S targets · 2 V D;  4 D_q per pair of tokens and layer
  ///
  /// A backward pass is twice a forward pass, or once where the model's own weights do not train.
  package func operations(of batch: PackedBatch, backward: Bool) -> Double {
    let model = description
    let qkvWidth = model.queryWidth + 2 * model.keyValueWidth
    let matrices =
      model.width * (qkvWidth + model.queryWidth + model.mlpInputWidth) + model.mlpWidth * model.width
    let pairs = batch.segments.reduce(0.0) { sum, segment in
      let count = Double(segment.tokens.count)
      return sum + count * (Double(segment.contextCount) + (count + 1) / 2)
    }
    let forward =
      Double(model.layerCount)
      * (2 * Double(batch.tokenCount) * Double(matrices) + 4 * Double(model.queryWidth) * pairs)
      + 2 * Double(batch.targetCount) * Double(model.vocabularySize) * Double(model.width)
    return forward * (backward ? (adapter == nil ? 3 : 2) : 1)
  }
}
