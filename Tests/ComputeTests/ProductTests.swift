import CKernels
import Compute
import Testing

/// Products against sums in double precision; on a CPU whose products are the BLAS's, what is said of bits is skipped.
struct ProductTests {
  static let ownsProducts = MatrixMultiply.kernels == .own

  /// Every remainder of a tile of 6 × 16, more than one group of rows, more than one block of sums, strides of whole pages.
  static let shapes: [(rows: Int, outputs: Int, inputs: Int)] =
    [
      (1, 1, 1), (5, 17, 3), (6, 16, 8), (7, 15, 193), (200, 100, 400), (193, 97, 385), (13, 1024, 1024),
      (400, 31, 770),
    ]
    + (1...12).map { (rows: $0, outputs: 90 + $0, inputs: 200 + $0) }

  /// A matrix that is a window of a wider one, whose margin must stay as it is.
  struct Window {
    let height, width, stride: Int
    var values: [Float]

    init(_ height: Int, _ width: Int, margin: Int, seed: Int) {
      (self.height, self.width, stride) = (height, width, width + margin)
      var state = UInt32(truncatingIfNeeded: seed &* 2_654_435_761 &+ 1)
      values = (0..<height * (width + margin)).map { _ in
        state = state &* 1_664_525 &+ 1_013_904_223
        return Float(state >> 8) / Float(1 << 23) - 1
      }
    }

    subscript(row: Int, column: Int) -> Float { values[row * stride + column] }
  }

  private func expect(
    _ result: Window, before: Window, equals expected: (_ row: Int, _ column: Int) -> (sum: Double, size: Double),
    _ comment: String
  ) {
    for row in 0..<result.height {
      for column in 0..<result.stride {
        guard column < result.width else {
          #expect(result[row, column] == before[row, column], "the margin was written to: \(comment)")
          continue
        }
        let (sum, size) = expected(row, column)
        // Rounding errors of a sum grow with the root of its length; size is Σ|a·b|.
        guard abs(Double(result[row, column]) - sum) <= 2e-6 * size + 1e-7 else {
          Issue.record("\(comment) at \(row), \(column): \(result[row, column]), not \(sum)")
          return
        }
      }
    }
  }

  private static func dot(_ count: Int, _ a: (Int) -> Float, _ b: (Int) -> Float) -> (sum: Double, size: Double) {
    (0..<count).reduce(into: (sum: 0.0, size: 0.0)) { total, index in
      let product = Double(a(index)) * Double(b(index))
      total.sum += product
      total.size += abs(product)
    }
  }

  @Test(arguments: 0..<shapes.count, [false, true])
  func productsEqualSumsInDoublePrecision(index: Int, accumulates: Bool) {
    let (rows, outputs, inputs) = Self.shapes[index]
    let name = "\(rows) × \(outputs) × \(inputs)\(accumulates ? ", added" : "")"
    let x = Window(rows, inputs, margin: index % 3, seed: index)
    let w = Window(outputs, inputs, margin: index % 2 * 5, seed: index + 100)
    let dy = Window(rows, outputs, margin: 3, seed: index + 200)
    func start(_ window: Window, _ row: Int, _ column: Int) -> (sum: Double, size: Double) {
      accumulates ? (Double(window[row, column]), Double(abs(window[row, column]))) : (0, 0)
    }
    func total(_ a: (sum: Double, size: Double), _ b: (sum: Double, size: Double)) -> (sum: Double, size: Double) {
      (a.sum + b.sum, a.size + b.size)
    }

    let before = Window(rows, outputs, margin: 3, seed: index + 300)
    var y = before
    MatrixMultiply.forward(
      y: &y.values, x: x.values, w: w.values, rows: rows, outputs: outputs, inputs: inputs, yStride: y.stride,
      xStride: x.stride, wStride: w.stride, accumulate: accumulates)
    expect(
      y, before: before,
      equals: { row, column in
        total(start(before, row, column), Self.dot(inputs, { x[row, $0] }, { w[column, $0] }))
      }, "forward \(name)")

    let dxBefore = Window(rows, inputs, margin: 2, seed: index + 400)
    var dx = dxBefore
    MatrixMultiply.backwardInput(
      dx: &dx.values, dy: dy.values, w: w.values, rows: rows, outputs: outputs, inputs: inputs, dxStride: dx.stride,
      dyStride: dy.stride, wStride: w.stride, accumulate: accumulates)
    expect(
      dx, before: dxBefore,
      equals: { row, column in
        total(start(dxBefore, row, column), Self.dot(outputs, { dy[row, $0] }, { w[$0, column] }))
      }, "gradient of the input \(name)")

    let dwBefore = Window(outputs, inputs, margin: 1, seed: index + 500)
    var dw = dwBefore
    MatrixMultiply.backwardWeight(
      dw: &dw.values, dy: dy.values, x: x.values, rows: rows, outputs: outputs, inputs: inputs, dwStride: dw.stride,
      dyStride: dy.stride, xStride: x.stride)
    expect(
      dw, before: dwBefore,
      equals: { row, column in
        let old = dwBefore[row, column]
        return total((Double(old), Double(abs(old))), Self.dot(rows, { dy[$0, row] }, { x[$0, column] }))
      }, "gradient of the weight \(name)")
  }

  /// What makes a token's log-probs independent of the tokens packed beside it.
  @Test(.enabled(if: ownsProducts, "the BLAS chooses its own order of sums"))
  func bitsOfARowDoNotDependOnItsNeighbours() {
    let (rows, outputs, inputs) = (211, 119, 601)
    let x = Window(rows, inputs, margin: 0, seed: 1)
    let w = Window(outputs, inputs, margin: 0, seed: 2)
    var all = [Float](repeating: 0, count: rows * outputs)
    MatrixMultiply.forward(y: &all, x: x.values, w: w.values, rows: rows, outputs: outputs, inputs: inputs)
    var back = [Float](repeating: 0, count: rows * inputs)
    MatrixMultiply.backwardInput(dx: &back, dy: all, w: w.values, rows: rows, outputs: outputs, inputs: inputs)
    for first in [0, 1, 64, 190, 210] {
      let count = min(3, rows - first)
      var some = [Float](repeating: 0, count: count * outputs)
      MatrixMultiply.forward(
        y: &some, x: Array(x.values[first * inputs..<(first + count) * inputs]), w: w.values, rows: count,
        outputs: outputs, inputs: inputs)
      #expect(some == Array(all[first * outputs..<(first + count) * outputs]))
      var someBack = [Float](repeating: 0, count: count * inputs)
      MatrixMultiply.backwardInput(dx: &someBack, dy: some, w: w.values, rows: count, outputs: outputs, inputs: inputs)
      #expect(someBack == Array(back[first * inputs..<(first + count) * inputs]))
    }
  }

  @Test func numbersThatAreNotFiniteReachTheResult() {
    let (rows, outputs, inputs) = (9, 33, 300)
    for value in [Float.nan, .infinity] {
      var x = Window(rows, inputs, margin: 0, seed: 5).values
      x[4 * inputs + 7] = value
      let w = Window(outputs, inputs, margin: 0, seed: 6).values
      var y = [Float](repeating: 0, count: rows * outputs)
      MatrixMultiply.forward(y: &y, x: x, w: w, rows: rows, outputs: outputs, inputs: inputs)
      for row in 0..<rows {
        #expect(y[row * outputs..<(row + 1) * outputs].allSatisfy { $0.isFinite } == (row != 4))
      }
    }
  }
}
