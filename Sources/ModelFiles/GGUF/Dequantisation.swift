/// Expands blocks of 32 quantised numbers to fp32, with the roundings of the reference (`dequantize_row_*` in
/// `ggml-quants.c`): one product, and for the types with a minimum one sum after it, never fused.
enum Dequantisation {
  /// - Parameters:
  ///   - blocks: `count` blocks of `type`.
  ///   - values: room for 32 · `count` numbers.
  static func expand(
    _ type: GGUFTensorType, _ blocks: UnsafeRawPointer, count: Int, into values: UnsafeMutablePointer<Float>
  ) {
    precondition(type.blockCount == 32, "\(type) is not stored in blocks")
    for block in 0..<count {
      let source = blocks + block * type.blockSize
      let target = values + block * 32
      let scale = half(source)
      switch type {
      case .q4_0: centred(source + 2, highBits: 0, zero: 8, scale, target)
      case .q4_1: shifted(source + 4, highBits: 0, scale, half(source + 2), target)
      case .q5_0:
        let highBits = UInt32(littleEndian: source.loadUnaligned(fromByteOffset: 2, as: UInt32.self))
        centred(source + 6, highBits: highBits, zero: 16, scale, target)
      case .q5_1:
        let highBits = UInt32(littleEndian: source.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        shifted(source + 8, highBits: highBits, scale, half(source + 2), target)
      default:
        for index in 0..<32 { target[index] = Float(source.load(fromByteOffset: 2 + index, as: Int8.self)) * scale }
      }
    }
  }

  @inline(__always)
  private static func half(_ bytes: UnsafeRawPointer) -> Float {
    StorageType.widen(half: UInt16(littleEndian: bytes.loadUnaligned(as: UInt16.self)))
  }

  /// `(q − zero) · scale`. Low nibbles are the first sixteen numbers; bit i of `highBits` is the fifth bit of number i.
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

  /// `q · scale + minimum`.
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
    let byte = UInt32(nibbles.load(fromByteOffset: index, as: UInt8.self))
    let shift = UInt32(truncatingIfNeeded: index)
    let low = byte & 0xF | (highBits &>> shift & 1) &<< 4
    let high = byte &>> 4 | (highBits &>> (shift &+ 16) & 1) &<< 4
    return (Int32(bitPattern: low), Int32(bitPattern: high))
  }
}
