import Compute
import Glibc
import ModelDescription

/// Cosine and sine of every position's angles, `dimension / 2` each, of one rotary embedding.
///
/// Angles are products of fp32 position and fp32 inverse frequency, as transformers forms them; the functions of an
/// angle are taken in double precision and rounded once. Sequences beyond the length that the model was trained for may
/// have frequencies of their own: their rows follow those of the plain positions.
struct RotaryTable {
  private let rope: Rope
  private let dimension: Int
  /// Positions that each regime has rows for.
  private var length = 0
  /// The regimes that have rows, in their order; 0 comes first.
  private var regimes: [Int] = []
  private(set) var cosine = FloatBuffer(count: 0)
  private(set) var sine = FloatBuffer(count: 0)
  /// Packed tokens' rows where some are not their positions.
  private(set) var rows: [Int32]?
  private static let plain = [0]

  init(_ rope: Rope, dimension: Int) {
    self.rope = rope
    self.dimension = dimension
  }

  /// Makes the table fit a batch, and ``rows`` with it.
  mutating func reserve(_ batch: PackedBatch) {
    guard let lengths = batch.regimes else {
      reserve(positions: batch.longestPath, regimes: Self.plain)
      rows = nil
      return
    }
    let wanted = Set(lengths.map { rope.regime(length: $0) }).union(Self.plain).sorted()
    reserve(positions: batch.longestPath, regimes: wanted)
    rows = zip(lengths, batch.positions).map { length, position in
      Int32(regimes.firstIndex(of: rope.regime(length: length))! * self.length) + position
    }
  }

  private mutating func reserve(positions: Int, regimes: [Int]) {
    guard positions > length || regimes != self.regimes else { return }
    if positions > length { length = max(positions, 2 * length) }
    self.regimes = regimes
    let half = dimension / 2
    cosine = FloatBuffer(count: regimes.count * length * half)
    sine = FloatBuffer(count: regimes.count * length * half)
    let factor = Float(rope.attentionFactor)
    for (place, regime) in regimes.enumerated() {
      let frequencies = rope.inverseFrequencies(headDimension: dimension, regime: regime)
      for position in 0..<length {
        let row = (place * length + position) * half
        for index in 0..<half {
          let angle = Double(Float(position) * frequencies[index])
          cosine.pointer[row + index] = Float(cos(angle)) * factor
          sine.pointer[row + index] = Float(sin(angle)) * factor
        }
      }
    }
  }
}
