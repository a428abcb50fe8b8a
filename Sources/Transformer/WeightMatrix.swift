import Compute
import ModelDescription

/// A weight w[N,K] in products. Numbers of two bytes are widened tile by tile of outputs, right before the product that
/// reads the tile: nothing larger is ever fp32.
///
/// Sums over outputs go tile by tile for weights of every type, so rounded weights give, bit for bit, what fp32 weights of
/// the same values give.
struct WeightMatrix {
  let buffer: WeightBuffer
  let offset, outputs, inputs: Int
  /// Room for ``MemoryFormula/weightTile(inputs:)`` elements; not touched for fp32 weights.
  let tile: UnsafeMutablePointer<Float>

  /// y[T,N] = x[T,K]·wᵀ, or added to y.
  func forward(
    y: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, rows: Int, yStride: Int? = nil, accumulate: Bool = false
  ) {
    if MatrixMultiply.kernels == .own, let floats = buffer.floats {
      MatrixMultiply.forward(
        y: y, x: x, w: floats.pointer + offset, rows: rows, outputs: outputs, inputs: inputs,
        yStride: yStride ?? outputs, accumulate: accumulate)
      return
    }
    forEachTile(0..<inputs) { first, count, w, _ in
      MatrixMultiply.forward(
        y: y + first, x: x, w: w, rows: rows, outputs: count, inputs: inputs, yStride: yStride ?? outputs,
        accumulate: accumulate)
    }
  }

  /// dx[T,K] = dy[T,N]·w, or some columns of it.
  ///
  /// - Parameter columns: of dx and w; all unless said.
  func backwardInput(dx: UnsafeMutablePointer<Float>, dy: UnsafePointer<Float>, rows: Int, columns: Range<Int>? = nil) {
    let columns = columns ?? 0..<inputs
    forEachTile(columns) { first, count, w, stride in
      MatrixMultiply.backwardInput(
        dx: dx + columns.lowerBound, dy: dy + first, w: w, rows: rows, outputs: count, inputs: columns.count,
        dxStride: inputs, dyStride: outputs, wStride: stride, accumulate: first > 0)
    }
  }

  /// Calls `body` for every tile of outputs, with the distance of its rows.
  private func forEachTile(
    _ columns: Range<Int>, _ body: (_ first: Int, _ count: Int, _ w: UnsafePointer<Float>, _ stride: Int) -> Void
  ) {
    let size = MemoryFormula.weightTile(inputs: inputs) / inputs
    for first in Swift.stride(from: 0, to: outputs, by: size) {
      let count = min(size, outputs - first)
      let start = offset + first * inputs + columns.lowerBound
      if let floats = buffer.floats {
        body(first, count, floats.pointer + start, inputs)
      } else if columns.count == inputs {
        buffer.read(from: start, count: count * inputs, into: tile)
        body(first, count, tile, inputs)
      } else {
        for row in 0..<count {
          buffer.read(from: start + row * inputs, count: columns.count, into: tile + row * columns.count)
        }
        body(first, count, tile, columns.count)
      }
    }
  }
}
