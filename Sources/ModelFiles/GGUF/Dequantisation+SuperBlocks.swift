// Named as ggml names them.
// swift-format-ignore: AlwaysUseLowerCamelCase
/// 256 numbers in groups of 16 or 32, whose small scales are themselves multiples of one or two scales of the block.
extension Dequantisation {
  /// (d·s)·q − (m·t): 16 bytes of s and t by nibble, 64 of q by two bits, d, m.
  @inline(__always)
  static func q2_K(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
    let scale = half(source + 80)
    let minimum = half(source + 82)
    for group in 0..<16 {
      let (quarter, part) = (group / 8 * 32 + group % 2 * 16, UInt8(truncatingIfNeeded: group % 8 / 2 * 2))
      let packed = byte(source, group)
      let (groupScale, groupMinimum) = (scale * Float(packed & 0xF), minimum * Float(packed &>> 4))
      for index in 0..<16 {
        let number = byte(source, 16 + quarter + index) &>> part & 3
        target[group * 16 + index] = groupScale * Float(number) - groupMinimum
      }
    }
  }

  /// (d·(s − 32))·(q − 4 + 4h): 32 bytes of high bits h, 64 of q by two bits, 12 of s by six bits, d.
  @inline(__always)
  static func q3_K(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
    let scale = half(source + 108)
    for group in 0..<16 {
      let low = byte(source, 96 + group % 8) &>> UInt8(truncatingIfNeeded: group / 8 * 4) & 0xF
      let high = byte(source, 104 + group % 4) &>> UInt8(truncatingIfNeeded: group / 4 * 2) & 3
      let groupScale = scale * Float(Int32(low | high &<< 4) &- 32)
      let bit = UInt8(truncatingIfNeeded: group / 2)
      let (quarter, part) = (group / 8 * 32 + group % 2 * 16, UInt8(truncatingIfNeeded: group % 8 / 2 * 2))
      for index in 0..<16 {
        let number = Int32(byte(source, 32 + quarter + index) &>> part & 3)
        let isHigh = Int32(byte(source, group % 2 * 16 + index) &>> bit & 1)
        target[group * 16 + index] = groupScale * Float(number &- 4 &+ isHigh &* 4)
      }
    }
  }

  /// (d·s)·q − (m·t): d, m, 12 bytes of s and t by six bits, 128 of q by nibble.
  @inline(__always)
  static func q4_K(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
    let (scale, minimum) = (half(source), half(source + 2))
    for pair in 0..<4 {
      let nibbles = source + 16 + pair * 32
      let (first, second) = (sixBits(source + 4, 2 * pair), sixBits(source + 4, 2 * pair + 1))
      let (lowScale, lowMinimum) = (scale * first.scale, minimum * first.minimum)
      let (highScale, highMinimum) = (scale * second.scale, minimum * second.minimum)
      let values = target + pair * 64
      for index in 0..<32 {
        let packed = byte(nibbles, index)
        values[index] = lowScale * Float(packed & 0xF) - lowMinimum
        values[index + 32] = highScale * Float(packed &>> 4) - highMinimum
      }
    }
  }

  /// The same with a fifth bit: 32 bytes of them before the nibbles, bit g for the numbers of group g.
  @inline(__always)
  static func q5_K(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
    let (scale, minimum) = (half(source), half(source + 2))
    for pair in 0..<4 {
      let nibbles = source + 48 + pair * 32
      let (first, second) = (sixBits(source + 4, 2 * pair), sixBits(source + 4, 2 * pair + 1))
      let (lowScale, lowMinimum) = (scale * first.scale, minimum * first.minimum)
      let (highScale, highMinimum) = (scale * second.scale, minimum * second.minimum)
      let bit = UInt8(truncatingIfNeeded: 2 * pair)
      let values = target + pair * 64
      for index in 0..<32 {
        let packed = byte(nibbles, index)
        let fifth = byte(source, 16 + index) &>> bit
        values[index] = lowScale * Float(packed & 0xF | (fifth & 1) &<< 4) - lowMinimum
        values[index + 32] = highScale * Float(packed &>> 4 | (fifth &>> 1 & 1) &<< 4) - highMinimum
      }
    }
  }

  /// (d·s)·(q − 32): 128 bytes of q's low nibbles, 64 of its high two bits, 16 of s, d.
  @inline(__always)
  static func q6_K(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
    let scale = half(source + 208)
    for group in 0..<16 {
      let groupScale = scale * Float(signed(source, 192 + group))
      let (part, offset) = (group % 8 / 2, group % 2 * 16)
      let nibbles = source + group / 8 * 64 + part % 2 * 32 + offset
      let highBits = source + 128 + group / 8 * 32 + offset
      let (lowShift, highShift) = (UInt8(truncatingIfNeeded: part / 2 * 4), UInt8(truncatingIfNeeded: part * 2))
      for index in 0..<16 {
        let low = byte(nibbles, index) &>> lowShift & 0xF
        let high = byte(highBits, index) &>> highShift & 3
        target[group * 16 + index] = groupScale * Float(Int32(low | high &<< 4) &- 32)
      }
    }
  }

  /// Eight pairs of six-bit numbers in twelve bytes: those of the first four groups fill the low bits of bytes 0…7, the
  /// others have their low nibbles in bytes 8…11 and their high two bits above the former.
  @inline(__always)
  private static func sixBits(_ packed: UnsafeRawPointer, _ group: Int) -> (scale: Float, minimum: Float) {
    if group < 4 { return (Float(byte(packed, group) & 0x3F), Float(byte(packed, 4 + group) & 0x3F)) }
    let low = byte(packed, 4 + group)
    return (
      Float(low & 0xF | byte(packed, group - 4) &>> 2 & 0x30), Float(low &>> 4 | byte(packed, group) &>> 2 & 0x30)
    )
  }
}
