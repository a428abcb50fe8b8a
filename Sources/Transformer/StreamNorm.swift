import CKernels
import ModelDescription

/// A norm over the width of the residual stream: RMSNorm, with weights that count from 0 or 1, or LayerNorm.
struct StreamNorm {
  private let weight: UnsafePointer<Float>
  private let bias: UnsafePointer<Float>?
  private let shift, epsilon: Float
  private let width: Int64

  /// - Parameters:
  ///   - weight, bias: where they begin in the flat buffer; a LayerNorm has both.
  init(_ model: ModelDescription, _ values: ModelWeights, weight: Int, bias: Int?) {
    self.weight = values.vector(weight)
    self.bias = bias.map { values.vector($0) }
    shift = model.norm.shift
    epsilon = model.norm.epsilon
    width = Int64(model.width)
  }

  /// y and the scale of every row; `y` must not be `x`.
  func forward(_ y: UnsafeMutablePointer<Float>, scale: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, rows: Int)
  {
    if let bias {
      tk_layer_norm(y, scale, x, weight, bias, epsilon, Int64(rows), width)
    } else {
      tk_rms_norm(y, scale, x, weight, shift, epsilon, Int64(rows), width)
    }
  }

  /// y once more, from x; `scale` is written again with the same values.
  func again(_ y: UnsafeMutablePointer<Float>, scale: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, rows: Int) {
    if bias == nil {
      tk_rms_norm_apply(y, x, weight, shift, scale, Int64(rows), width)
    } else {
      forward(y, scale: scale, x: x, rows: rows)
    }
  }

  /// Adds to `dx`, and to the gradients of weight and bias.
  func backward(
    dx: UnsafeMutablePointer<Float>, dweight: UnsafeMutablePointer<Float>, dbias: UnsafeMutablePointer<Float>?,
    dy: UnsafePointer<Float>, x: UnsafePointer<Float>, scale: UnsafePointer<Float>, rows: Int
  ) {
    if bias != nil {
      tk_layer_norm_backward(dx, dweight, dbias, dy, x, weight, scale, Int64(rows), width)
    } else {
      tk_rms_norm_backward(dx, dweight, dy, x, weight, shift, scale, Int64(rows), width)
    }
  }
}
