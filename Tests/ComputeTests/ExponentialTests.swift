import CKernels
import Foundation
import Testing

/// The kernels' own exponential, seen through the gradient of a log-prob: −c·exp(x − lse).
struct ExponentialTests {
  private func exponentials(_ x: [Float]) -> [Float] {
    // The last place is the target's, which gets the coefficient on top.
    var values = x + [0]
    tk_log_prob_backward(&values, 0, -1, Int64(x.count), Int64(values.count))
    return values.dropLast()
  }

  @Test func isWithinTwoUnitsOfTheLastPlace() {
    let x = (-87_000...88_000).map { Float($0) / 1000 + Float($0 % 7) * 1e-5 }
    for (value, result) in zip(x, exponentials(x)) {
      let exact = exp(Double(value))
      guard abs(Double(result) - exact) <= 2 * Double(Float(exact).ulp) else {
        Issue.record("exp(\(value)) = \(result), not \(exact)")
        return
      }
    }
  }

  @Test func keepsWhatIsNotFinite() {
    let results = exponentials([-.infinity, .infinity, .nan, -1000, 1000, 0])
    #expect(results[0] == 0 && results[1] == .infinity && results[2].isNaN)
    #expect(results[3] == 0 && results[4] == .infinity && results[5] == 1)
  }
}
