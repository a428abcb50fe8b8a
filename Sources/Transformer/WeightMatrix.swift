import Compute
import ModelDescription

/// A weight w[N,K] in products, which are made tile by tile of its outputs. A tile of numbers of two bytes is widened right
/// before the product that reads it: nothing larger is ever fp32.
///
/// Tiles are the same for weights of every type, so rounded weights give, bit for bit, what fp32 weights of the same values
/// give.
struct WeightMatrix {
  let buffer: WeightBuffer
  let offset, outputs, inputs: Int
  /// Room for ``MemoryFormula/weightTile(inputs:)`` elements; not touched for fp32 weights.
  let tile: UnsafeMutablePointer<Float>

  /// y[T,N] = x[T,K]·wᵀ, or added to y.
  func forward(
    y: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, rows: Int, yStride: Int? = nil, accumulate: Bool = false
  ) {
    forEachTile { first, count, w in
      MatrixMultiply.forward(
        y: y + first, x: x, w: w, rows: rows, outputs: count, inputs: inputs, yStride: yStride ?? outputs,
        accumulate: accumulate)
    }
  }

  /// dx[T,K] = dy[T,N]·w.
  func backwardInput(dx: UnsafeMutablePointer<Float>, dy: UnsafePointer<Float>, rows: Int) {
    forEachTile { first, count, w in
      MatrixMultiply.backwardInput(
        dx: dx, dy: dy + first, w: w, rows: rows, outputs: count, inputs: inputs, dyStride: outputs,
        accumulate: first > 0)
    }
  }

  private func forEachTile(_ body: (_ first: Int, _ count: Int, _ w: UnsafePointer<Float>) -> Void) {
    let size = MemoryFormula.weightTile(inputs: inputs) / inputs
    for first in stride(from: 0, to: outputs, by: size) {
      let count = min(size, outputs - first)
      if let floats = buffer.floats {
        body(first, count, floats.pointer + offset + first * inputs)
      } else {
        buffer.read(from: offset + first * inputs, count: count * inputs, into: tile)
        body(first, count, tile)
      }
    }
  }
}
