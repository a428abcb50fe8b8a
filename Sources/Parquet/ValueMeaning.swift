import OrderedJSON

/// What the stored values of a column are in a row: the one place that maps types of the format to JSON.
///
///     boolean                      true, false
///     integers                     an integer; an unsigned one beyond 63 bits the nearest number
///     float, double, float16       a number, NaN and infinities included
///     decimal                      an integer when the scale is 0 and it fits, otherwise the nearest number
///     string, enum, json           text (JSON is not parsed)
///     bytes without annotation     text when they are UTF-8, otherwise an error
///     uuid                         "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
///     date                         "2024-02-29"
///     time                         "13:05:00.250"
///     timestamp                    "2024-02-29T13:05:00.250", with "Z" when it is in UTC
enum ValueMeaning {
  case bool, signed32, signed64, unsigned32, unsigned64, float, double, float16, text, binary, uuid, null
  case decimal(scale: Int)
  case date
  case time(LogicalType.Unit)
  case timestamp(LogicalType.Unit, isUTC: Bool)
  /// 96 bits: nanoseconds of the day and a Julian day, as Spark and Impala once wrote times.
  case julian
  case unsupported(String)

  init(type: PhysicalType, logical: LogicalType, width: Int) throws(Damage) {
    switch (logical, type) {
    case (.unsupported(let name), _): self = .unsupported(name)
    case (.null, _): self = .null
    case (.text, .byteArray): self = .text
    case (.decimal(let scale), .int32), (.decimal(let scale), .int64), (.decimal(let scale), .byteArray),
      (.decimal(let scale), .fixedLengthByteArray):
      guard (0...1000).contains(scale) else { throw Damage("a decimal has the scale \(scale)") }
      self = .decimal(scale: scale)
    case (.date, .int32): self = .date
    case (.time(let unit), .int32) where unit == .milliseconds: self = .time(unit)
    case (.time(let unit), .int64) where unit != .milliseconds: self = .time(unit)
    case (.timestamp(let unit, let isUTC), .int64): self = .timestamp(unit, isUTC: isUTC)
    case (.integer(let isSigned), .int32): self = isSigned ? .signed32 : .unsigned32
    case (.integer(let isSigned), .int64): self = isSigned ? .signed64 : .unsigned64
    case (.uuid, .fixedLengthByteArray) where width == 16: self = .uuid
    case (.float16, .fixedLengthByteArray) where width == 2: self = .float16
    case (.none, .boolean): self = .bool
    case (.none, .int32): self = .signed32
    case (.none, .int64): self = .signed64
    case (.none, .int96): self = .julian
    case (.none, .float): self = .float
    case (.none, .double): self = .double
    case (.none, .byteArray), (.none, .fixedLengthByteArray): self = .binary
    default: throw Damage("the annotation \(logical) does not go with type \(type)")
    }
  }
}

extension ValueMeaning {
  var isText: Bool {
    switch self {
    case .text, .binary: true
    default: false
    }
  }

  /// The next value of a page.
  func next(_ values: inout ValueDecoder, type: PhysicalType) throws -> JSONValue {
    switch self {
    case .bool: return .bool(try values.nextBool())
    case .signed32: return .integer(Int(Int32(truncatingIfNeeded: try values.nextWord())))
    case .signed64: return .integer(Int(Int64(bitPattern: try values.nextWord())))
    case .unsigned32: return .integer(Int(try values.nextWord()))
    case .unsigned64:
      let value = try values.nextWord()
      return Int(exactly: value).map { .integer($0) } ?? .number(Double(value))
    case .float: return .number(Double(Float(bitPattern: UInt32(truncatingIfNeeded: try values.nextWord()))))
    case .double: return .number(Double(bitPattern: try values.nextWord()))
    case .text, .binary: return .string(try values.withNextBytes(text))
    case .float16:
      return .number(
        Double(
          try values.withNextBytes { Float16(bitPattern: UInt16(littleEndian: $0.loadUnaligned(as: UInt16.self))) })
      )
    case .uuid: return .string(try values.withNextBytes(CalendarText.uuid))
    case .decimal(let scale): return try decimal(&values, type: type, scale: scale)
    case .date: return .string(CalendarText.date(Int(Int32(truncatingIfNeeded: try values.nextWord()))))
    case .time(let unit):
      let word = try values.nextWord()
      let count = unit == .milliseconds ? Int(Int32(truncatingIfNeeded: word)) : Int(Int64(bitPattern: word))
      guard count >= 0, count <= 86_400 * unit.perSecond else { throw Damage("\(count) is no time of a day") }
      return .string(CalendarText.time(count, unit))
    case .timestamp(let unit, let isUTC):
      return .string(CalendarText.timestamp(Int(Int64(bitPattern: try values.nextWord())), unit) + (isUTC ? "Z" : ""))
    case .julian: return .string(try values.withNextBytes(CalendarText.julian))
    case .null: throw Damage("a column of nulls holds a value")
    case .unsupported(let name): throw Damage("values of type \(name) are not read")
    }
  }

  private func text(_ bytes: UnsafeRawBufferPointer) throws -> String {
    guard let text = String(validating: bytes.assumingMemoryBound(to: UInt8.self), as: UTF8.self) else {
      throw Damage("the text is not UTF-8")
    }
    return text
  }

  private func decimal(_ values: inout ValueDecoder, type: PhysicalType, scale: Int) throws -> JSONValue {
    switch type {
    case .int32: return DecimalText.value(Int(Int32(truncatingIfNeeded: try values.nextWord())), scale: scale)
    case .int64: return DecimalText.value(Int(Int64(bitPattern: try values.nextWord())), scale: scale)
    default: return try values.withNextBytes { try DecimalText.value(bigEndian: $0, scale: scale) }
    }
  }
}
