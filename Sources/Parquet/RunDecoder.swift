/// Small unsigned numbers in the hybrid of run lengths and bit packing ("RLE" of the format): levels, dictionary
/// indices and booleans.
///
/// Runs are decoded as they are asked for: a run of two billion values takes no memory. The bytes lie in a ``PageBuffer``.
struct RunDecoder {
  private var position: UnsafeRawPointer
  private let end: UnsafeRawPointer
  private let width: Int
  private let mask: UInt64
  /// Values that the present run still holds.
  private var left = 0
  private var isPacked = false
  private var value: UInt32 = 0
  private var packed: UnsafeRawPointer
  private var bit = 0

  /// - Parameter width: bits of a value, at most 32.
  init(_ bytes: UnsafeRawBufferPointer, width: Int) {
    position = bytes.baseAddress!
    end = position + bytes.count
    packed = position
    self.width = width
    mask = (1 << UInt64(width)) - 1
  }

  @inline(__always)
  mutating func next() throws -> UInt32 {
    if left == 0 { try startRun() }
    left -= 1
    guard isPacked else { return value }
    let word = UInt64(littleEndian: packed.loadUnaligned(fromByteOffset: bit >> 3, as: UInt64.self))
    let result = UInt32(truncatingIfNeeded: word >> UInt64(bit & 7) & mask)
    bit += width
    return result
  }

  private mutating func startRun() throws {
    while left == 0 {
      let head = try header()
      isPacked = head & 1 == 1
      if isPacked {
        // Writers may leave out what lies behind the last value of the last group.
        let available = end - position
        let groups = Int(head >> 1)
        packed = position
        bit = 0
        left = width == 0 ? groups * 8 : min(groups * 8, available * 8 / width)
        position += min(groups * width, available)
      } else {
        left = Int(head >> 1)
        value = 0
        let byteCount = (width + 7) / 8
        guard byteCount <= end - position else { throw Damage("it ends inside a run of repeated values") }
        for index in 0..<byteCount {
          value |= UInt32(position.load(fromByteOffset: index, as: UInt8.self)) << UInt32(8 * index)
        }
        guard UInt64(value) <= mask else { throw Damage("a repeated value has more than \(width) bits") }
        position += byteCount
      }
    }
  }

  private mutating func header() throws -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 35, by: 7) {
      guard position < end else { throw Damage("it holds fewer values than its page claims") }
      let byte = position.load(as: UInt8.self)
      position += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    throw Damage("the length of a run has more than 32 bits")
  }
}
