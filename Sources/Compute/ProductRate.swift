/// How fast this rank multiplies matrices: what a step's speed is measured against.
package enum ProductRate {
  /// Operations per second of all threads together, each on products of a size that suits its caches; about 50 ms.
  ///
  /// - Parameter clock: seconds since some moment.
  package static func measure(workers: Workers, clock: () -> Double) -> Double {
    let (rows, outputs, inputs) = (192, 768, 768)
    let operations = 2 * Double(rows * outputs * inputs)
    let desks = (0..<workers.threads).map { _ in
      FloatBuffer(variedCount: rows * inputs + outputs * inputs + rows * outputs)
    }
    var best = Double.infinity
    for _ in 0..<12 {
      let start = clock()
      workers.run(workers.threads) { item, _ in
        let x = desks[item].pointer
        let w = x + rows * inputs
        MatrixMultiply.forward(
          y: w + outputs * inputs, x: x, w: w, rows: rows, outputs: outputs, inputs: inputs)
      }
      best = min(best, clock() - start)
    }
    return operations * Double(workers.threads) / max(best, 1e-9)
  }
}
