import Compute

#if canImport(Glibc)
  import Glibc
#endif

/// Cosine and sine of every position's angles, `headWidth / 2` each.
///
/// Angles are products of fp32 position and fp32 inverse frequency, as transformers forms them; the functions of an
/// angle are taken in double precision and rounded once.
struct RotaryTable {
  private let inverseFrequencies: [Float]
  private var length = 0
  private(set) var cosine = FloatBuffer(count: 0)
  private(set) var sine = FloatBuffer(count: 0)

  init(inverseFrequencies: [Float]) { self.inverseFrequencies = inverseFrequencies }

  /// Makes the table cover positions below `positions`.
  mutating func reserve(positions: Int) {
    guard positions > length else { return }
    length = max(positions, 2 * length)
    let half = inverseFrequencies.count
    cosine = FloatBuffer(count: length * half)
    sine = FloatBuffer(count: length * half)
    for position in 0..<length {
      for index in 0..<half {
        let angle = Double(Float(position) * inverseFrequencies[index])
        cosine.pointer[position * half + index] = Float(cos(angle))
        sine.pointer[position * half + index] = Float(sin(angle))
      }
    }
  }
}
