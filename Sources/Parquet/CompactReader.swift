/// Values of Thrift's compact protocol, in which the footer and page headers are written.
///
/// Format: Apache Thrift, "Thrift Compact protocol encoding". Nothing is allocated on the word of a count alone, and
/// nesting is bounded.
struct CompactReader {
  /// How a field or list element is encoded.
  enum Kind: UInt8 {
    case yes = 1
    case no, byte, int16, int32, int64, double, binary, list, set, map, structure, uuid
  }

  private let bytes: UnsafeRawBufferPointer
  private(set) var position = 0
  private var depth = 0
  private static let maximumDepth = 32

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// Reads a struct: `body` is handed each field, and must consume its value.
  mutating func structure(_ body: (inout CompactReader, Int, Kind) throws -> Void) throws {
    depth += 1
    guard depth <= Self.maximumDepth else { throw Damage("structures are nested deeper than \(Self.maximumDepth)") }
    var identifier = 0
    while true {
      let head = try byte()
      if head == 0 { break }
      guard let kind = Kind(rawValue: head & 15) else { throw Damage("unknown Thrift type \(head & 15)") }
      let step = Int(head >> 4)
      identifier = step == 0 ? try integer() : identifier + step
      guard (0...Int(Int16.max)).contains(identifier) else { throw Damage("field number \(identifier) is impossible") }
      try body(&self, identifier, kind)
    }
    depth -= 1
  }

  /// Reads a list, handing each element to `body`, which must consume it.
  mutating func list(_ kind: Kind, of element: Kind, _ body: (inout CompactReader) throws -> Void) throws {
    try expect(kind, .list)
    let (count, found) = try listHead()
    guard count == 0 || found == element else { throw Damage("a list holds \(found), expected \(element)") }
    for _ in 0..<count { try body(&self) }
  }

  mutating func integer(_ kind: Kind) throws -> Int {
    switch kind {
    case .byte: return Int(Int8(bitPattern: try byte()))
    case .int16, .int32, .int64: return try integer()
    default: throw Damage("expected an integer, found \(kind)")
    }
  }

  func bool(_ kind: Kind) throws -> Bool {
    switch kind {
    case .yes: return true
    case .no: return false
    default: throw Damage("expected a boolean, found \(kind)")
    }
  }

  mutating func text(_ kind: Kind) throws -> String {
    try expect(kind, .binary)
    let range = try binary()
    guard let text = String(validating: UnsafeRawBufferPointer(rebasing: bytes[range]), as: UTF8.self) else {
      throw Damage("a name is not UTF-8")
    }
    return text
  }

  func expect(_ kind: Kind, _ expected: Kind) throws {
    guard kind == expected else { throw Damage("expected \(expected), found \(kind)") }
  }

  /// Passes over a value.
  mutating func skip(_ kind: Kind) throws {
    switch kind {
    case .yes, .no: break
    case .byte: _ = try byte()
    case .int16, .int32, .int64: _ = try varint()
    case .double: try advance(8)
    case .binary: _ = try binary()
    case .uuid: try advance(16)
    case .structure: try structure { try $0.skip($2) }
    case .list, .set:
      try nested { reader in
        let (count, element) = try reader.listHead()
        for _ in 0..<count { try reader.skipElement(element) }
      }
    case .map:
      try nested { reader in
        let count = try reader.count()
        guard count > 0 else { return }
        let kinds = try reader.byte()
        guard let key = Kind(rawValue: kinds >> 4), let value = Kind(rawValue: kinds & 15) else {
          throw Damage("unknown Thrift type in a map")
        }
        for _ in 0..<count {
          try reader.skipElement(key)
          try reader.skipElement(value)
        }
      }
    }
  }

  private mutating func nested(_ body: (inout CompactReader) throws -> Void) throws {
    depth += 1
    guard depth <= Self.maximumDepth else { throw Damage("lists are nested deeper than \(Self.maximumDepth)") }
    try body(&self)
    depth -= 1
  }

  /// Booleans take a byte inside lists and maps, none as fields.
  private mutating func skipElement(_ kind: Kind) throws {
    if kind == .yes || kind == .no { _ = try byte() } else { try skip(kind) }
  }

  private mutating func listHead() throws -> (count: Int, element: Kind) {
    let head = try byte()
    let short = Int(head >> 4)
    let count = short == 15 ? try count() : short
    // Some writers give the elements of an empty list no type.
    if count == 0 { return (0, .structure) }
    guard let element = Kind(rawValue: head & 15) else { throw Damage("unknown Thrift type \(head & 15) in a list") }
    return (count, element)
  }

  /// A count of elements; each takes at least a byte, so more than there are bytes is a lie.
  private mutating func count() throws -> Int {
    let count = try varint()
    guard count <= UInt64(bytes.count - position) else {
      throw Damage("a list claims \(count) elements, \(bytes.count - position) bytes are left", isShort: true)
    }
    return Int(count)
  }

  private mutating func binary() throws -> Range<Int> {
    let count = try count()
    let start = position
    position += count
    return start..<position
  }

  private mutating func advance(_ count: Int) throws {
    guard count <= bytes.count - position else { throw Damage("it ends inside a value", isShort: true) }
    position += count
  }

  private mutating func byte() throws -> UInt8 {
    guard position < bytes.count else { throw Damage("it ends inside a structure", isShort: true) }
    position += 1
    return bytes[position - 1]
  }

  private mutating func varint() throws -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      let next = try byte()
      value |= UInt64(next & 0x7F) << shift
      if next < 0x80 { return value }
    }
    throw Damage("a number has more than 64 bits")
  }

  private mutating func integer() throws -> Int {
    let value = try varint()
    return Int(truncatingIfNeeded: value >> 1) ^ -Int(truncatingIfNeeded: value & 1)
  }
}
