import CKernels
import ModelDescription

/// RMSNorm of queries and keys before they are rotated: head by head with shared weights, or all heads of a token as one.
struct QueryKeyNorm {
  private let query, key: UnsafePointer<Float>
  /// Runs that are normalised, and elements of one.
  private let queryGroups, keyGroups, queryWidth, keyWidth: Int64
  private let shift, epsilon: Float
  private let stride, rawStride: Int64
  private let keyStart, rawCount: Int

  /// Nil for a model without.
  init?(_ shape: ModelShape, _ weights: ModelShape.Layer, _ values: ModelWeights) {
    guard let kind = shape.model.queryKeyNorm else { return nil }
    query = values.vector(weights.queryNorm!)
    key = values.vector(weights.keyNorm!)
    let isPerHead = kind == .perHead
    queryGroups = isPerHead ? Int64(shape.heads) : 1
    keyGroups = isPerHead ? Int64(shape.keyValueHeads) : 1
    queryWidth = Int64(isPerHead ? shape.headWidth : shape.queryWidth)
    keyWidth = Int64(isPerHead ? shape.headWidth : shape.model.keyValueWidth)
    shift = shape.model.norm.shift
    epsilon = shape.model.norm.epsilon
    stride = Int64(shape.qkvWidth)
    rawStride = Int64(shape.queryKeyWidth)
    keyStart = shape.queryWidth
    rawCount = shape.queryKeyWidth
  }

  /// Normalises the queries and keys of `qkv` in place, and keeps them as they were in `raw`, [rows, D_q + D_kv].
  func forward(_ qkv: UnsafeMutablePointer<Float>, raw: UnsafeMutablePointer<Float>, rows: Int) {
    for row in 0..<rows { (raw + row * rawCount).update(from: qkv + row * Int(stride), count: rawCount) }
    tk_group_norm(qkv, stride, raw, rawStride, query, shift, epsilon, Int64(rows), queryGroups, queryWidth)
    tk_group_norm(
      qkv + keyStart, stride, raw + keyStart, rawStride, key, shift, epsilon, Int64(rows), keyGroups, keyWidth)
  }

  /// Turns the gradients of normalised queries and keys into those of the raw ones, and adds to the weights'.
  func backward(
    _ dqkv: UnsafeMutablePointer<Float>, raw: UnsafePointer<Float>, dquery: UnsafeMutablePointer<Float>,
    dkey: UnsafeMutablePointer<Float>, rows: Int
  ) {
    tk_group_norm_backward(
      dqkv, stride, dquery, raw, rawStride, query, shift, epsilon, Int64(rows), queryGroups, queryWidth)
    tk_group_norm_backward(
      dqkv + keyStart, stride, dkey, raw + keyStart, rawStride, key, shift, epsilon, Int64(rows), keyGroups, keyWidth)
  }
}
