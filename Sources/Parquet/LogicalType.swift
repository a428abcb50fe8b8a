/// What a column's values or a group mean ("LogicalTypes" of the format), from the new annotation or the converted type.
enum LogicalType {
  enum Unit: Int {
    case milliseconds = 1
    case microseconds, nanoseconds

    var perSecond: Int {
      switch self {
      case .milliseconds: 1000
      case .microseconds: 1_000_000
      case .nanoseconds: 1_000_000_000
      }
    }

    var digits: Int { rawValue * 3 }
  }

  case none
  case text, map, list
  case decimal(scale: Int)
  case date
  case time(Unit)
  case timestamp(Unit, isUTC: Bool)
  case integer(isSigned: Bool)
  case null
  case uuid
  case float16
  /// One that has no place in a row of text and numbers; named when such a column is asked for.
  case unsupported(String)
}

extension LogicalType {
  /// Parses the union `LogicalType`; members of later versions of the format count as no annotation.
  init(parsing reader: inout CompactReader, _ kind: CompactReader.Kind) throws {
    try reader.expect(kind, .structure)
    var result = LogicalType.none
    try reader.structure { reader, member, kind in
      try reader.expect(kind, .structure)
      switch member {
      case 5, 7, 8, 10:
        result = try Self.parameterised(member, &reader)
        return
      case 1, 4, 12: result = .text
      case 2: result = .map
      case 3: result = .list
      case 6: result = .date
      case 11: result = .null
      case 13: result = .unsupported("BSON")
      case 14: result = .uuid
      case 15: result = .float16
      case 16: result = .unsupported("VARIANT")
      case 17: result = .unsupported("GEOMETRY")
      case 18: result = .unsupported("GEOGRAPHY")
      default: break
      }
      try reader.skip(kind)
    }
    self = result
  }

  private static func parameterised(_ member: Int, _ reader: inout CompactReader) throws -> LogicalType {
    var first = 0
    var flag = false
    var unit: Unit?
    try reader.structure { reader, field, kind in
      switch (member, field, kind) {
      case (_, 1, .yes), (10, 2, .yes): flag = true
      case (5, 1, _), (10, 1, _): first = try reader.integer(kind)
      case (7, 2, .structure), (8, 2, .structure):
        try reader.structure { reader, field, kind in
          unit = Unit(rawValue: field)
          try reader.skip(kind)
        }
      default: try reader.skip(kind)
      }
    }
    switch member {
    case 5: return .decimal(scale: first)
    case 10: return .integer(isSigned: flag)
    default:
      guard let unit else { throw Damage("a time has an unknown unit") }
      return member == 7 ? .time(unit) : .timestamp(unit, isUTC: flag)
    }
  }

  /// The meaning of a `ConvertedType`, as files of old writers have it.
  init(converted: Int, scale: Int) {
    switch converted {
    case 0, 4, 19: self = .text
    case 1, 2: self = .map
    case 3: self = .list
    case 5: self = .decimal(scale: scale)
    case 6: self = .date
    case 7: self = .time(.milliseconds)
    case 8: self = .time(.microseconds)
    case 9: self = .timestamp(.milliseconds, isUTC: true)
    case 10: self = .timestamp(.microseconds, isUTC: true)
    case 11...14: self = .integer(isSigned: false)
    case 15...18: self = .integer(isSigned: true)
    case 20: self = .unsupported("BSON")
    case 21: self = .unsupported("INTERVAL")
    default: self = .none
    }
  }
}
