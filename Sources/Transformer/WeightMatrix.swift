import Compute
import ModelDescription

/// A weight w[N,K] in products. Numbers of two bytes are widened tile by tile, right before the product that reads the
/// tile: nothing larger is ever fp32.
///
/// Sums over outputs go tile by tile and sums over inputs strip by strip for weights of every type, so rounded weights
/// give, bit for bit, what fp32 weights of the same values give.
struct WeightMatrix {
  let buffer: WeightBuffer
  let offset, outputs, inputs: Int
  /// Room for ``MemoryFormula/weightTile(_:)`` elements; not touched for fp32 weights.
  let tile: UnsafeMutablePointer<Float>

  /// y[T,N] = x[T,K]·wᵀ, or added to y.
  func forward(
    y: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, rows: Int, yStride: Int? = nil, accumulate: Bool = false
  ) {
    forEachStrip(0..<inputs) { strip in
      forEachTile(strip, outputs: takesWhole ? outputs : nil) {
        first, count, w, stride in
        MatrixMultiply.forward(
          y: y + first, x: x + strip.lowerBound, w: w, rows: rows, outputs: count, inputs: strip.count,
          yStride: yStride ?? outputs, xStride: inputs, wStride: stride,
          accumulate: accumulate || strip.lowerBound > 0)
      }
    }
  }

  /// dx[T,K] = dy[T,N]·w, or some columns of it.
  ///
  /// - Parameter columns: of dx and w; all unless said.
  func backwardInput(
    dx: UnsafeMutablePointer<Float>, dy: UnsafePointer<Float>, rows: Int, columns: Range<Int>? = nil,
    dyStride: Int? = nil
  ) {
    let columns = columns ?? 0..<inputs
    func multiply(_ strip: Range<Int>) {
      forEachTile(strip) { first, count, w, stride in
        MatrixMultiply.backwardInput(
          dx: dx + strip.lowerBound, dy: dy + first, w: w, rows: rows, outputs: count, inputs: strip.count,
          dxStride: inputs, dyStride: dyStride ?? outputs, wStride: stride, accumulate: first > 0)
      }
    }
    // In our own products columns are independent of each other: strips are for the room of widened tiles alone.
    if takesWhole { multiply(columns) } else { forEachStrip(columns, multiply) }
  }

  /// Whether outputs, and an input gradient's columns, need no division: nothing is widened, and bits do not depend on it.
  private var takesWhole: Bool { MatrixMultiply.kernels == .own && buffer.floats != nil }

  /// Calls `body` for strips of about the same size, which tiles have room for.
  private func forEachStrip(_ columns: Range<Int>, _ body: (Range<Int>) -> Void) {
    let count = (columns.count + MemoryFormula.tileInputs - 1) / MemoryFormula.tileInputs
    let strips = Panels(columns.count, count: count, multiple: 16)
    for index in 0..<strips.count {
      body(columns.lowerBound + strips[index].lowerBound..<columns.lowerBound + strips[index].upperBound)
    }
  }

  /// Calls `body` for every tile of outputs, with the distance of its rows.
  private func forEachTile(
    _ columns: Range<Int>, outputs size: Int? = nil,
    _ body: (_ first: Int, _ count: Int, _ w: UnsafePointer<Float>, _ stride: Int) -> Void
  ) {
    let size = size ?? MemoryFormula.tileOutputs
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
