/// The generator SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators").
///
/// Orders of rows, shuffled token rewards and first values of adapters are made from it, so what it gives for a seed never
/// changes.
package struct SplitMix64: Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return Self.mix(state)
  }

  /// A number in 0..<bound: the upper half of the 128-bit product. Its bias is below bound / 2⁶⁴.
  package mutating func next(below bound: Int) -> Int {
    Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// A multiple of 2⁻²⁴ in 0..<1.
  package mutating func nextUnit() -> Float { Float(next() >> 40) / Float(1 << 24) }

  static func mix(_ value: UInt64) -> UInt64 {
    var value = value
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }
}
