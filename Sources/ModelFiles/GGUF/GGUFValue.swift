import RunFolder

/// A value of a GGUF file's metadata. Lists of one kind are kept compactly: vocabularies have hundreds of thousands of entries.
enum GGUFValue: Sendable, Equatable {
  case integer(Int)
  /// An unsigned 64-bit integer beyond `Int.max`.
  case large(UInt64)
  /// A 32-bit number as the shortest decimal that reads back as the same 32 bits, so that 1e-5 stays 1e-5.
  case number(Double)
  case bool(Bool)
  case string(String)
  case integers([Int])
  case numbers([Double])
  case bools([Bool])
  case strings([String])
  case list([GGUFValue])

  /// Elements of all lists together; real files stay below a million.
  static let maximumElements = 1 << 24
  static let maximumDepth = 8
}

extension GGUFValue {
  /// Type codes of the format's `gguf_metadata_value_type`.
  private enum Kind: UInt32 {
    case uint8 = 0
    case int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

    var minimumSize: Int {
      switch self {
      case .uint8, .int8, .bool: 1
      case .uint16, .int16: 2
      case .uint32, .int32, .float32: 4
      case .uint64, .int64, .float64, .string: 8
      case .array: 12
      }
    }
  }

  init(from cursor: inout GGUFCursor, key: String, budget: inout Int) throws {
    self = try Self.value(Self.kind(&cursor, key), &cursor, key, &budget, depth: 0)
  }

  private static func kind(_ cursor: inout GGUFCursor, _ key: String) throws -> Kind {
    let code = try cursor.integer(UInt32.self, "metadata \(key)")
    guard let kind = Kind(rawValue: code) else { throw cursor.failure("metadata \(key) has unknown type \(code)") }
    return kind
  }

  private static func value(
    _ kind: Kind, _ cursor: inout GGUFCursor, _ key: String, _ budget: inout Int, depth: Int
  ) throws -> GGUFValue {
    switch kind {
    case .float32, .float64: return .number(try number(kind, &cursor, key))
    case .bool: return .bool(try bool(&cursor, key))
    case .string: return .string(try cursor.string("metadata \(key)"))
    case .array: return try list(&cursor, key, &budget, depth: depth)
    case .uint64:
      let value = try cursor.integer(UInt64.self, "metadata \(key)")
      return Int(exactly: value).map(GGUFValue.integer) ?? .large(value)
    default: return .integer(try integer(kind, &cursor, key))
    }
  }

  private static func integer(_ kind: Kind, _ cursor: inout GGUFCursor, _ key: String) throws -> Int {
    let what = "metadata \(key)"
    switch kind {
    case .uint8: return Int(try cursor.integer(UInt8.self, what))
    case .int8: return Int(try cursor.integer(Int8.self, what))
    case .uint16: return Int(try cursor.integer(UInt16.self, what))
    case .int16: return Int(try cursor.integer(Int16.self, what))
    case .uint32: return Int(try cursor.integer(UInt32.self, what))
    case .int32: return Int(try cursor.integer(Int32.self, what))
    case .int64: return Int(try cursor.integer(Int64.self, what))
    default: preconditionFailure("\(kind) is no integer of at most 63 bits")
    }
  }

  private static func number(_ kind: Kind, _ cursor: inout GGUFCursor, _ key: String) throws -> Double {
    if kind == .float64 { return Double(bitPattern: try cursor.integer(UInt64.self, "metadata \(key)")) }
    let value = Float(bitPattern: try cursor.integer(UInt32.self, "metadata \(key)"))
    return Double("\(value)") ?? Double(value)
  }

  private static func bool(_ cursor: inout GGUFCursor, _ key: String) throws -> Bool {
    let value = try cursor.integer(UInt8.self, "metadata \(key)")
    guard value <= 1 else { throw cursor.failure("metadata \(key) must be 0 or 1, found \(value)") }
    return value == 1
  }

  private static func list(
    _ cursor: inout GGUFCursor, _ key: String, _ budget: inout Int, depth: Int
  ) throws -> GGUFValue {
    guard depth < maximumDepth else { throw cursor.failure("metadata \(key) nests lists deeper than \(maximumDepth)") }
    let kind = try kind(&cursor, key)
    let count = try cursor.count("metadata \(key)", minimumSize: kind.minimumSize)
    budget -= count
    guard budget >= 0 else { throw cursor.failure("metadata has more than \(maximumElements) list elements") }
    func elements<Element>(_ read: (inout GGUFCursor) throws -> Element) throws -> [Element] {
      var result: [Element] = []
      result.reserveCapacity(count)
      for _ in 0..<count { result.append(try read(&cursor)) }
      return result
    }
    switch kind {
    case .string: return .strings(try elements { try $0.string("metadata \(key)") })
    case .bool: return .bools(try elements { try bool(&$0, key) })
    case .float32, .float64: return .numbers(try elements { try number(kind, &$0, key) })
    case .array, .uint64:
      return .list(try elements { try value(kind, &$0, key, &budget, depth: depth + 1) })
    default: return .integers(try elements { try integer(kind, &$0, key) })
    }
  }
}
