import RunFolder

/// The three ways in which a weight file of this room stores a number.
package enum StorageType: String, Sendable, CaseIterable {
  case float32, bfloat16, float16

  package var byteCount: Int { self == .float32 ? 4 : 2 }

  /// The name in the header of a safetensors file.
  var safetensorsName: String {
    switch self {
    case .float32: "F32"
    case .bfloat16: "BF16"
    case .float16: "F16"
    }
  }

  init?(safetensorsName name: String) {
    guard let type = Self.allCases.first(where: { $0.safetensorsName == name }) else { return nil }
    self = type
  }

  /// Reads a `--dtype` as people write it.
  package static func parse(_ text: String) throws -> StorageType {
    switch text.lowercased() {
    case "float32", "fp32", "f32", "float": return .float32
    case "bfloat16", "bf16": return .bfloat16
    case "float16", "fp16", "f16", "half": return .float16
    default: throw TregError.usage("--dtype must be float32, bfloat16 or float16, found \(text)")
    }
  }
}

extension StorageType {
  /// The value of an IEEE 754 binary16, exactly. Written over bits because `Float16` needs F16C or a library call.
  @inline(__always)
  static func widen(half bits: UInt16) -> Float {
    let magnitude = UInt32(bits & 0x7FFF)
    let sign = UInt32(bits & 0x8000) &<< 16
    // Ten mantissa bits move up to where fp32 has 23; the exponent's bias grows from 15 to 127 by a factor of 2^112,
    // which also turns subnormals into normal numbers. Infinities and NaNs keep their all-ones exponent.
    let scaled = (Float(bitPattern: magnitude &<< 13) * Float(bitPattern: 0x7780_0000)).bitPattern
    let special = magnitude &<< 13 | 0x7F80_0000
    return Float(bitPattern: sign | (magnitude >= 0x7C00 ? special : scaled))
  }

  @inline(__always)
  static func widen(brain bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) &<< 16) }

  /// The nearest bfloat16, ties to even; a NaN stays a NaN.
  @inline(__always)
  static func narrowToBrain(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    let rounded = (bits &+ 0x7FFF &+ (bits &>> 16 & 1)) &>> 16
    return UInt16(truncatingIfNeeded: bits & 0x7FFF_FFFF > 0x7F80_0000 ? bits &>> 16 | 0x40 : rounded)
  }

  /// The nearest binary16, ties to even; beyond 65,520 an infinity, a NaN stays a NaN.
  @inline(__always)
  static func narrowToHalf(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    let sign = UInt16(truncatingIfNeeded: bits &>> 16) & 0x8000
    let magnitude = bits & 0x7FFF_FFFF
    if magnitude > 0x7F80_0000 { return sign | 0x7E00 }
    if magnitude >= 0x477F_F000 { return sign | 0x7C00 }
    if magnitude < 0x3880_0000 {
      // Subnormal: adding 0.5 puts the unit of 2^-24 at fp32's last place, so that the sum is rounded there.
      return sign | UInt16(truncatingIfNeeded: (Float(bitPattern: magnitude) + 0.5).bitPattern &- 0x3F00_0000)
    }
    let rounded = magnitude &- 0x3800_0000 &+ 0xFFF &+ (magnitude &>> 13 & 1)
    return sign | UInt16(truncatingIfNeeded: rounded &>> 13)
  }
}

/// Moves numbers between fp32 and what a file holds.
enum Conversion {
  /// Elements that are converted at a time; their bytes stay in the second-level cache.
  static let piece = 1 << 16

  /// Reads `values.count` numbers of one type at `offset` of a file.
  static func read(
    _ type: StorageType, from file: RandomAccessFile, at offset: Int, into values: UnsafeMutableBufferPointer<Float>
  ) throws {
    if type == .float32 {
      try file.read(at: offset, into: UnsafeMutableRawBufferPointer(values))
      return
    }
    let buffer = UnsafeMutableBufferPointer<UInt16>.allocate(capacity: min(piece, max(values.count, 1)))
    defer { buffer.deallocate() }
    var done = 0
    while done < values.count {
      let count = min(piece, values.count - done)
      try file.read(
        at: offset + 2 * done,
        into: UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: buffer[..<count])))
      let target = values.baseAddress! + done
      if type == .float16 {
        for index in 0..<count { target[index] = StorageType.widen(half: buffer[index]) }
      } else {
        for index in 0..<count { target[index] = StorageType.widen(brain: buffer[index]) }
      }
      done += count
    }
  }

  /// The first number that is an infinity or NaN; nil when all are finite.
  static func firstNonFinite(_ values: UnsafeBufferPointer<Float>) -> Int? {
    var largest: UInt32 = 0
    for value in values { largest = max(largest, value.bitPattern & 0x7FFF_FFFF) }
    guard largest >= 0x7F80_0000 else { return nil }
    return values.firstIndex { !$0.isFinite }
  }
}
