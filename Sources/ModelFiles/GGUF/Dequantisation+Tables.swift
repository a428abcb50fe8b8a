// Named as ggml names them.
// swift-format-ignore: AlwaysUseLowerCamelCase
/// Types whose stored numbers stand for others: ternary digits, sixteen levels, four-bit floating point.
extension Dequantisation {
  /// The levels of IQ4_NL and IQ4_XS (`kvalues_iq4nl` of ggml).
  private static let levels: [16 of Float] = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
  ]

  /// Twice the values of E2M1 (OCP Microscaling Formats 1.0, table 5): one sign, two exponent, one mantissa bit.
  private static let doubledE2M1: [16 of Float] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]

  /// d · level(q)
  @inline(__always)
  static func iq4_NL(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
    lookUp(source + 2, 16, levels, half(source), target)
  }

  /// (d·(s − 32)) · level(q): d, 16 high bits of s, 4 bytes of its low nibbles, 128 of q.
  @inline(__always)
  static func iq4_XS(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
    let scale = half(source)
    let highBits = UInt16(littleEndian: source.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
    for group in 0..<8 {
      let low = byte(source, 4 + group / 2) &>> UInt8(truncatingIfNeeded: group % 2 * 4) & 0xF
      let high = UInt8(truncatingIfNeeded: highBits &>> UInt16(truncatingIfNeeded: 2 * group) & 3)
      let groupScale = scale * Float(Int32(low | high &<< 4) &- 32)
      lookUp(source + 8 + group * 16, 16, levels, groupScale, target + group * 32)
    }
  }

  /// 2^(e − 128) · 2·E2M1(q), e the first byte.
  @inline(__always)
  static func mxfp4(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
    let exponent = UInt32(byte(source, 0))
    let scale = Float(bitPattern: exponent < 2 ? 0x20_0000 &<< exponent : (exponent &- 1) &<< 23)
    lookUp(source + 1, 16, doubledE2M1, scale, target)
  }

  /// ½·E4M3(e) · 2·E2M1(q) for four groups of 16, whose unsigned scales come first.
  @inline(__always)
  static func nvfp4(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
    for group in 0..<4 {
      let code = byte(source, group)
      let (exponent, mantissa) = (Int(code &>> 3 & 0xF), Float(code & 7))
      let magnitude =
        exponent == 0
        ? mantissa * 0x1p-9 : (1 + mantissa / 8) * Float(sign: .plus, exponent: exponent - 7, significand: 1)
      // 0x7F is not a number in E4M3; the reference takes it for zero.
      let scale = code == 0 || code == 0x7F ? 0 : magnitude * 0.5
      lookUp(source + 4 + group * 8, 8, doubledE2M1, scale, target + group * 16)
    }
  }

  /// d · (t − 1): base-3 digits t, five to a byte as the fraction byte/256; four in each of the last four bytes.
  @inline(__always)
  static func tq1_0(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
    let scale = half(source + 52)
    var next = target
    for (first, bytes, digits) in [(0, 32, 5), (32, 16, 5), (48, 4, 4)] {
      var power: UInt8 = 1
      for _ in 0..<digits {
        for index in 0..<bytes {
          let digit = (UInt16(byte(source, first + index) &* power) &* 3) &>> 8
          next[index] = scale * Float(Int32(digit) &- 1)
        }
        next += bytes
        power &*= 3
      }
    }
  }

  /// d · (t − 1), two bits each.
  @inline(__always)
  static func tq2_0(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
    let scale = half(source + 64)
    for part in 0..<8 {
      let shift = UInt8(truncatingIfNeeded: part % 4 * 2)
      for index in 0..<32 {
        let digit = Int32(byte(source, part / 4 * 32 + index) &>> shift & 3)
        target[part * 32 + index] = scale * Float(digit &- 1)
      }
    }
  }

  /// Low nibbles first, then high ones.
  @inline(__always)
  private static func lookUp(
    _ nibbles: UnsafeRawPointer, _ count: Int, _ table: [16 of Float], _ scale: Float,
    _ target: UnsafeMutablePointer<Float>
  ) {
    for index in 0..<count {
      let packed = byte(nibbles, index)
      target[index] = scale * table[Int(packed & 0xF)]
      target[index + count] = scale * table[Int(packed &>> 4)]
    }
  }
}
