import ModelDescription

extension Transformer {
  /// Multiplications and additions of a pass's matrix products; see ``ModelDescription/operations(tokens:attended:targets:)``.
  ///
  /// A backward pass is twice a forward pass, or once where the model's own weights do not train.
  package func operations(of batch: PackedBatch, backward: Bool) -> Double {
    let attended = batch.segments.reduce(0.0) { sum, segment in
      let count = Double(segment.tokens.count)
      return sum + count * (Double(segment.contextCount) + (count + 1) / 2)
    }
    let forward = description.operations(
      tokens: batch.tokenCount, attended: attended, targets: batch.targetCount)
    return forward * (backward ? (adapter == nil ? 3 : 2) : 1)
  }
}

extension ModelDescription {
  /// Multiplications and additions of a forward pass's matrix products, causal attention counted as the triangle it is.
  ///
  ///     T tokens · 2 P, P elements of the layers' matrices;  S targets · 2 V D;  4 D_q per attended pair and layer
  ///
  /// - Parameter attended: pairs of a token and one that it sees.
  package func operations(tokens: Int, attended: Double, targets: Int) -> Double {
    let qkvWidth = queryWidth + 2 * keyValueWidth
    let matrices = width * (qkvWidth + queryWidth + mlpInputWidth) + mlpWidth * width
    return Double(layerCount) * (2 * Double(tokens) * Double(matrices) + 4 * Double(queryWidth) * attended)
      + 2 * Double(targets) * Double(vocabularySize) * Double(width)
  }
}
