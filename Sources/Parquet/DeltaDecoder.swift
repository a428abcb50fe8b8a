/// Integers as differences in packed blocks (DELTA_BINARY_PACKED of the format), decoded one at a time.
///
/// The bytes lie in a ``PageBuffer``.
struct DeltaDecoder {
  /// Values in the whole sequence.
  let count: Int
  private var bytes: VarintReader
  private let miniblockCount: Int
  private let valuesPerMiniblock: Int
  private var taken = 0
  private var last: Int64
  private var minimum: Int64 = 0
  private var widths: UnsafeRawBufferPointer
  private var miniblock: Int
  private var leftInMiniblock = 0
  private var width = 0
  private var bit = 0
  private var packed: UnsafeRawPointer

  init(_ data: UnsafeRawBufferPointer) throws {
    bytes = VarintReader(data)
    let blockSize = try bytes.unsigned()
    let miniblocks = try bytes.unsigned()
    let count = try bytes.unsigned()
    guard blockSize > 0, blockSize % 128 == 0, blockSize <= 1 << 24, miniblocks > 0, blockSize % miniblocks == 0,
      (blockSize / miniblocks) % 32 == 0
    else { throw Damage("delta blocks of \(blockSize) values in \(miniblocks) parts are impossible") }
    guard count <= UInt64(Int32.max) else { throw Damage("a delta sequence claims \(count) values") }
    self.count = Int(count)
    miniblockCount = Int(miniblocks)
    valuesPerMiniblock = Int(blockSize / miniblocks)
    last = try bytes.signed()
    widths = UnsafeRawBufferPointer(rebasing: data[..<0])
    miniblock = miniblockCount
    packed = data.baseAddress!
  }

  @inline(__always)
  mutating func next() throws -> Int64 {
    guard taken < count else { throw Damage("it holds fewer values than its page claims") }
    taken += 1
    if taken == 1 { return last }
    if leftInMiniblock == 0 { try startMiniblock() }
    leftInMiniblock -= 1
    last = last &+ minimum &+ Int64(bitPattern: unpack())
    return last
  }

  @inline(__always)
  private mutating func unpack() -> UInt64 {
    guard width > 0 else { return 0 }
    let offset = bit >> 3
    let shift = UInt64(bit & 7)
    bit += width
    var value = UInt64(littleEndian: packed.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) >> shift
    if Int(shift) + width > 64 {
      value |= UInt64(packed.load(fromByteOffset: offset + 8, as: UInt8.self)) << (64 - shift)
    }
    return width == 64 ? value : value & ((1 << UInt64(width)) - 1)
  }

  private mutating func startMiniblock() throws {
    if miniblock == miniblockCount {
      minimum = try bytes.signed()
      widths = try bytes.take(miniblockCount)
      miniblock = 0
    }
    width = Int(widths[miniblock])
    guard width <= 64 else { throw Damage("a delta has \(width) bits") }
    packed = try bytes.take(width * valuesPerMiniblock / 8).baseAddress!
    bit = 0
    leftInMiniblock = valuesPerMiniblock
    miniblock += 1
  }

  /// What follows the sequence. Parts of the last block that hold no value are not written.
  func rest() throws -> UnsafeRawBufferPointer {
    var walker = self
    while walker.taken < walker.count {
      if walker.taken == 0 { walker.taken = 1 }
      walker.taken += walker.leftInMiniblock
      walker.leftInMiniblock = 0
      if walker.taken < walker.count { try walker.startMiniblock() }
    }
    return walker.bytes.rest
  }
}

/// Numbers of variable length at the start of some bytes.
struct VarintReader {
  private(set) var rest: UnsafeRawBufferPointer

  init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

  mutating func unsigned() throws -> UInt64 {
    var value: UInt64 = 0
    for (index, byte) in rest.prefix(10).enumerated() {
      value |= UInt64(byte & 0x7F) << UInt64(7 * index)
      if byte < 0x80 {
        rest = UnsafeRawBufferPointer(rebasing: rest[(index + 1)...])
        return value
      }
    }
    throw Damage("it ends inside a number")
  }

  mutating func signed() throws -> Int64 {
    let value = try unsigned()
    return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
  }

  mutating func take(_ count: Int) throws -> UnsafeRawBufferPointer {
    guard count <= rest.count else { throw Damage("it ends inside a block of packed values") }
    let taken = UnsafeRawBufferPointer(rebasing: rest[..<count])
    rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    return taken
  }
}
