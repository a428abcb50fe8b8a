/// Expands quantised blocks to fp32 with the roundings of the reference (`gguf.quants` of the Python package `gguf`, which
/// follows `dequantize_row_*` in `ggml-quants.c`): every product and sum is rounded on its own, never fused.
///
/// In the formulas q is a stored number and d a scale; a scale beyond the halves' range becomes infinite numbers, which
/// whoever loads weights refuses.
enum Dequantisation {
  /// - Parameters:
  ///   - blocks: `count` blocks of `type`, which is stored in blocks.
  ///   - values: room for `count` · `type.blockCount` numbers.
  static func expand(
    _ type: GGUFTensorType, _ blocks: UnsafeRawPointer, count: Int, into values: UnsafeMutablePointer<Float>
  ) {
    switch type {
    case .q4_0: each(type, blocks, count, values, q4_0)
    case .q4_1: each(type, blocks, count, values, q4_1)
    case .q5_0: each(type, blocks, count, values, q5_0)
    case .q5_1: each(type, blocks, count, values, q5_1)
    case .q8_0: each(type, blocks, count, values, q8_0)
    case .q2_K: each(type, blocks, count, values, q2_K)
    case .q3_K: each(type, blocks, count, values, q3_K)
    case .q4_K: each(type, blocks, count, values, q4_K)
    case .q5_K: each(type, blocks, count, values, q5_K)
    case .q6_K: each(type, blocks, count, values, q6_K)
    case .iq4_NL: each(type, blocks, count, values, iq4_NL)
    case .iq4_XS: each(type, blocks, count, values, iq4_XS)
    case .tq1_0: each(type, blocks, count, values, tq1_0)
    case .tq2_0: each(type, blocks, count, values, tq2_0)
    case .mxfp4: each(type, blocks, count, values, mxfp4)
    case .nvfp4: each(type, blocks, count, values, nvfp4)
    case .f32, .f16, .bf16, .f64: preconditionFailure("\(type) is not stored in blocks")
    }
  }

  /// Numbers of a block are read at `source`, written at `target`.
  typealias Expansion = (_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) -> Void

  @inline(__always)
  private static func each(
    _ type: GGUFTensorType, _ blocks: UnsafeRawPointer, _ count: Int, _ values: UnsafeMutablePointer<Float>,
    _ expand: Expansion
  ) {
    let (size, length) = (type.blockSize, type.blockCount)
    for block in 0..<count { expand(blocks + block * size, values + block * length) }
  }

  // MARK: Reading parts of blocks

  @inline(__always)
  static func half(_ bytes: UnsafeRawPointer) -> Float {
    StorageType.widen(half: UInt16(littleEndian: bytes.loadUnaligned(as: UInt16.self)))
  }

  @inline(__always)
  static func byte(_ bytes: UnsafeRawPointer, _ index: Int) -> UInt8 {
    bytes.load(fromByteOffset: index, as: UInt8.self)
  }

  @inline(__always)
  static func signed(_ bytes: UnsafeRawPointer, _ index: Int) -> Int8 {
    bytes.load(fromByteOffset: index, as: Int8.self)
  }
}

// MARK: 32 numbers that share a scale

// Named as ggml names them.
// swift-format-ignore: AlwaysUseLowerCamelCase
extension Dequantisation {
  /// (q − 8) · d. Low nibbles are the first sixteen numbers, here and below.
  @inline(__always)
  static func q4_0(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
    centred(source + 2, highBits: 0, zero: 8, half(source), target)
  }

  /// d · q + m
  @inline(__always)
  static func q4_1(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
    shifted(source + 4, highBits: 0, half(source), half(source + 2), target)
  }

  /// (q − 16) · d; bit i of the 32 after the scale is the fifth bit of number i.
  @inline(__always)
  static func q5_0(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
    let highBits = UInt32(littleEndian: source.loadUnaligned(fromByteOffset: 2, as: UInt32.self))
    centred(source + 6, highBits: highBits, zero: 16, half(source), target)
  }

  /// d · q + m, with fifth bits likewise.
  @inline(__always)
  static func q5_1(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
    let highBits = UInt32(littleEndian: source.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
    shifted(source + 8, highBits: highBits, half(source), half(source + 2), target)
  }

  /// q · d
  @inline(__always)
  static func q8_0(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
    let scale = half(source)
    for index in 0..<32 { target[index] = Float(signed(source, 2 + index)) * scale }
  }

  @inline(__always)
  private static func centred(
    _ nibbles: UnsafeRawPointer, highBits: UInt32, zero: Int32, _ scale: Float, _ target: UnsafeMutablePointer<Float>
  ) {
    for index in 0..<16 {
      let (low, high) = pair(nibbles, highBits, index)
      target[index] = Float(low &- zero) * scale
      target[index + 16] = Float(high &- zero) * scale
    }
  }

  @inline(__always)
  private static func shifted(
    _ nibbles: UnsafeRawPointer, highBits: UInt32, _ scale: Float, _ minimum: Float,
    _ target: UnsafeMutablePointer<Float>
  ) {
    for index in 0..<16 {
      let (low, high) = pair(nibbles, highBits, index)
      target[index] = Float(low) * scale + minimum
      target[index + 16] = Float(high) * scale + minimum
    }
  }

  @inline(__always)
  private static func pair(_ nibbles: UnsafeRawPointer, _ highBits: UInt32, _ index: Int) -> (low: Int32, high: Int32) {
    let byte = UInt32(byte(nibbles, index))
    let shift = UInt32(truncatingIfNeeded: index)
    let low = byte & 0xF | (highBits &>> shift & 1) &<< 4
    let high = byte &>> 4 | (highBits &>> (shift &+ 16) & 1) &<< 4
    return (Int32(bitPattern: low), Int32(bitPattern: high))
  }
}
