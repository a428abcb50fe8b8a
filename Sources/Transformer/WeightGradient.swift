import CKernels
import Compute

/// A weight's gradient dw[N,K] += dy[T,N]ᵀ·x[T,K] in tiles of output rows; the last tile adds the bias's gradient.
struct WeightGradient {
  private let dw: UnsafeMutablePointer<Float>
  private let bias: UnsafeMutablePointer<Float>?
  private let dy, x: UnsafePointer<Float>
  private let outputs, inputs, stride: Int
  private let tiles: Panels

  init(
    _ dw: UnsafeMutablePointer<Float>, bias: UnsafeMutablePointer<Float>? = nil, dy: UnsafePointer<Float>,
    x: UnsafePointer<Float>, outputs: Int, inputs: Int, dyStride: Int? = nil, tileLimit: Int = 192
  ) {
    stride = dyStride ?? outputs
    self.dw = dw
    self.bias = bias
    self.dy = dy
    self.x = x
    self.outputs = outputs
    self.inputs = inputs
    tiles = Panels(outputs, limit: tileLimit)
  }

  var tileCount: Int { tiles.count + (bias == nil ? 0 : 1) }

  func add(tile: Int, rows: Int) {
    if tile == tiles.count {
      tk_add_column_sums(bias!, dy, Int64(rows), Int64(outputs))
      return
    }
    let range = tiles[tile]
    MatrixMultiply.backwardWeight(
      dw: dw + range.lowerBound * inputs, dy: dy + range.lowerBound, x: x, rows: rows, outputs: range.count,
      inputs: inputs, dyStride: stride)
  }
}

/// Weight gradients that are made together, their tiles counted through all of them. Keeps its room when it is emptied.
final class WeightGradientList {
  private var gradients: [WeightGradient] = []
  private(set) var tileCount = 0

  func removeAll() {
    gradients.removeAll(keepingCapacity: true)
    tileCount = 0
  }

  func append(_ gradient: WeightGradient) {
    gradients.append(gradient)
    tileCount += gradient.tileCount
  }

  /// Adds one tile.
  func add(tile: Int, rows: Int) {
    var tile = tile
    for gradient in gradients {
      if tile < gradient.tileCount { return gradient.add(tile: tile, rows: rows) }
      tile -= gradient.tileCount
    }
    preconditionFailure("no tile \(tile)")
  }
}
