/// The values of one page in the order they were written, as numbers or bytes, whatever their encoding.
///
/// The bytes lie in a ``PageBuffer`` that must outlive the decoder.
struct ValueDecoder {
  private enum Form {
    case plain, bits, runs, deltas, lengths, prefixes, split
  }

  private let form: Form
  private let type: PhysicalType
  /// Bytes of a value, where all have the same.
  private let width: Int
  private var bytes: UnsafeRawBufferPointer
  private var position = 0
  private var runs: RunDecoder?
  private var deltas: DeltaDecoder?
  private var prefixes: DeltaDecoder?
  /// The value last returned where it does not lie in the page as it is.
  private var assembled: [UInt8] = []
  private var streamCount = 0

  /// - Parameter width: bytes of a fixed-length value.
  init(_ data: UnsafeRawBufferPointer, _ encoding: Encoding, type: PhysicalType, width: Int?) throws {
    self.type = type
    self.width = type.byteCount ?? width ?? 0
    bytes = data
    switch (encoding, type) {
    case (.plain, .boolean): form = .bits
    case (.plain, _): form = .plain
    case (.runLength, .boolean):
      form = .runs
      guard data.count >= 4 else { throw Damage("it ends before its values") }
      let size = Int(UInt32(littleEndian: data.loadUnaligned(as: UInt32.self)))
      guard size <= data.count - 4 else { throw Damage("its values claim \(size) bytes, \(data.count - 4) are left") }
      runs = RunDecoder(UnsafeRawBufferPointer(rebasing: data[4..<(4 + size)]), width: 1)
    case (.deltaBinaryPacked, .int32), (.deltaBinaryPacked, .int64):
      form = .deltas
      deltas = try DeltaDecoder(data)
    case (.deltaLengthByteArray, .byteArray):
      form = .lengths
      deltas = try DeltaDecoder(data)
      bytes = try deltas!.rest()
    case (.deltaByteArray, .byteArray), (.deltaByteArray, .fixedLengthByteArray):
      form = .prefixes
      prefixes = try DeltaDecoder(data)
      deltas = try DeltaDecoder(prefixes!.rest())
      bytes = try deltas!.rest()
    case (.byteStreamSplit, .int32), (.byteStreamSplit, .int64), (.byteStreamSplit, .float),
      (.byteStreamSplit, .double), (.byteStreamSplit, .fixedLengthByteArray):
      form = .split
      guard self.width > 0, data.count % self.width == 0 else {
        throw Damage("\(data.count) bytes do not divide into streams of \(self.width)-byte values")
      }
      streamCount = data.count / self.width
    default: throw Damage("its values have encoding \(encoding.rawValue), which does not go with type \(type)")
    }
  }

  private static let exhausted = Damage("it holds fewer values than its page claims")

  mutating func nextBool() throws -> Bool {
    if form == .runs { return try runs!.next() == 1 }
    guard position >> 3 < bytes.count else { throw Self.exhausted }
    let bit = bytes[position >> 3] >> UInt8(position & 7) & 1
    position += 1
    return bit == 1
  }

  /// A value of 4 or 8 bytes as it lies in memory; 4 bytes are not extended.
  @inline(__always)
  mutating func nextWord() throws -> UInt64 {
    switch form {
    case .plain:
      guard width <= bytes.count - position else { throw Self.exhausted }
      defer { position += width }
      return width == 8
        ? UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
        : UInt64(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)))
    case .deltas:
      let value = UInt64(bitPattern: try deltas!.next())
      return width == 8 ? value : value & 0xFFFF_FFFF
    default:
      guard position < streamCount else { throw Self.exhausted }
      defer { position += 1 }
      return (0..<width).reduce(0) { $0 | UInt64(bytes[$1 * streamCount + position]) << UInt64(8 * $1) }
    }
  }

  /// Hands a value's bytes to `body`.
  @inline(__always)
  mutating func withNextBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) throws -> Result {
    switch form {
    case .plain: return try body(nextSlice(type == .byteArray ? try plainLength() : width))
    case .lengths: return try body(nextSlice(Int(try deltas!.next())))
    case .prefixes:
      try assembleFromPrefix()
      return try assembled.withUnsafeBytes(body)
    default:
      guard position < streamCount else { throw Self.exhausted }
      assembled.removeAll(keepingCapacity: true)
      for stream in 0..<width { assembled.append(bytes[stream * streamCount + position]) }
      position += 1
      return try assembled.withUnsafeBytes(body)
    }
  }

  private mutating func plainLength() throws -> Int {
    guard bytes.count - position >= 4 else { throw Self.exhausted }
    defer { position += 4 }
    return Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)))
  }

  private mutating func nextSlice(_ count: Int) throws -> UnsafeRawBufferPointer {
    guard count >= 0, count <= bytes.count - position else {
      throw Damage("a value claims \(count) bytes, \(bytes.count - position) are left")
    }
    defer { position += count }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<(position + count)])
  }

  /// A value is the start of the one before it and bytes of its own.
  private mutating func assembleFromPrefix() throws {
    let prefix = try prefixes!.next()
    guard prefix >= 0, prefix <= assembled.count else {
      throw Damage("a value repeats \(prefix) bytes of one that has \(assembled.count)")
    }
    let suffix = try nextSlice(Int(try deltas!.next()))
    assembled.removeLast(assembled.count - Int(prefix))
    assembled.append(contentsOf: suffix)
    guard type == .byteArray || assembled.count == width else {
      throw Damage("a value has \(assembled.count) bytes, the schema says \(width)")
    }
  }
}
