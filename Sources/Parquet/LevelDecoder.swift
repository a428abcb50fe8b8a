/// Definition or repetition levels of a page.
struct LevelDecoder {
  /// Levels in the deprecated BIT_PACKED encoding: the highest bit comes first, there are no runs.
  private struct BitPacked {
    let bytes: UnsafeRawBufferPointer
    let width: Int
    var bit = 0

    mutating func next() -> UInt32 {
      var value: UInt32 = 0
      for _ in 0..<width {
        value = value << 1 | UInt32(bytes[bit >> 3] >> (7 - UInt8(bit & 7)) & 1)
        bit += 1
      }
      return value
    }
  }

  private var runs: RunDecoder?
  private var packed: BitPacked?
  private let maximum: Int

  /// Levels that are all 0, and are not written.
  init() { maximum = 0 }

  private init(runs: RunDecoder?, packed: BitPacked?, maximum: Int) {
    self.runs = runs
    self.packed = packed
    self.maximum = maximum
  }

  static func width(of maximum: Int) -> Int { Int.bitWidth - maximum.leadingZeroBitCount }

  /// Levels of a second-version page: runs that fill `bytes`.
  init(_ bytes: UnsafeRawBufferPointer, maximum: Int) {
    self.init(runs: RunDecoder(bytes, width: Self.width(of: maximum)), packed: nil, maximum: maximum)
  }

  /// Levels at the start of what is left of a first-version page, which are taken off it.
  init(takenFrom bytes: inout UnsafeRawBufferPointer, maximum: Int, count: Int, encoding: Int) throws {
    let width = Self.width(of: maximum)
    switch Encoding(rawValue: encoding) {
    case .runLength:
      guard bytes.count >= 4 else { throw Damage("it ends before its levels") }
      let size = Int(UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self)))
      guard size <= bytes.count - 4 else {
        throw Damage("its levels claim \(size) bytes, \(bytes.count - 4) are left")
      }
      self.init(UnsafeRawBufferPointer(rebasing: bytes[4..<(4 + size)]), maximum: maximum)
      bytes = UnsafeRawBufferPointer(rebasing: bytes[(4 + size)...])
    case .bitPacked:
      let size = (count * width + 7) / 8
      guard size <= bytes.count else { throw Damage("its levels take \(size) bytes, \(bytes.count) are left") }
      self.init(
        runs: nil, packed: BitPacked(bytes: UnsafeRawBufferPointer(rebasing: bytes[..<size]), width: width),
        maximum: maximum)
      bytes = UnsafeRawBufferPointer(rebasing: bytes[size...])
    default: throw Damage("its levels have encoding \(encoding), expected RLE or BIT_PACKED")
    }
  }

  @inline(__always)
  mutating func next() throws -> Int {
    if maximum == 0 { return 0 }
    let level = Int(try runs?.next() ?? packed!.next())
    guard level <= maximum else { throw Damage("a level is \(level), the schema allows at most \(maximum)") }
    return level
  }
}
