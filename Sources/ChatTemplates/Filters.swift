/// What follows `|`: a function of a value and arguments.
typealias Filter = @Sendable (Interpreter, Value, Arguments) throws -> Value

enum Filters {
  static func named(_ name: String) -> Filter? { table[name] }

  private static let table: [String: Filter] = text.merging(sequences) { first, _ in first }
    .merging(numbers) { first, _ in first }

  static func integer(_ value: Value?, or fallback: Int, _ name: String) throws -> Int {
    guard let value else { return fallback }
    guard let integer = value.integer else {
      throw TemplateFailure("the filter '\(name)' expects an integer, found \(value.kind)")
    }
    return integer
  }

  static let numbers: [String: Filter] = [
    "int": { _, value, arguments in
      let values = try arguments.bind("int", ["default", "base"])
      let base = try integer(values[1], or: 10, "int")
      guard (2...36).contains(base) else { throw TemplateFailure("the filter 'int' expects a base from 2 to 36") }
      switch value {
      case .integer: return value
      case .bool(let bool): return .integer(bool ? 1 : 0)
      case .number(let number):
        return Int(exactly: number.rounded(.towardZero)).map(Value.integer) ?? values[0] ?? .integer(0)
      case .string(let text):
        var trimmed = PythonText.stripped(text).filter { $0 != "_" }
        // A base's own prefix may stand before its digits.
        if let prefix = [2: "0b", 8: "0o", 16: "0x"][base], trimmed.lowercased().hasPrefix(prefix) {
          trimmed.removeFirst(2)
        }
        if let integer = Int(trimmed, radix: base) {
          return .integer(integer)
        }
        if let number = number(text), let integer = Int(exactly: number.rounded(.towardZero)) {
          return .integer(integer)
        }
        return values[0] ?? .integer(0)
      case .undefined(let name): throw TemplateFailure("'\(name)' is undefined")
      default: return values[0] ?? .integer(0)
      }
    },
    "float": { _, value, arguments in
      let fallback = try arguments.bind("float", ["default"])[0] ?? .number(0)
      if let double = value.double { return .number(double) }
      if case .undefined(let name) = value { throw TemplateFailure("'\(name)' is undefined") }
      return value.string.flatMap(number).map(Value.number) ?? fallback
    },
    "abs": { interpreter, value, _ in
      if case .number(let number) = value { return .number(number.magnitude) }
      guard let integer = value.integer else {
        throw TemplateFailure("the filter 'abs' expects a number, found \(value.kind)")
      }
      return integer < 0 ? try interpreter.apply(.subtract, .integer(0), .integer(integer)) : .integer(integer)
    },
    "round": { interpreter, value, arguments in
      let values = try arguments.bind("round", ["precision", "method"])
      return try rounded(value, try integer(values[0], or: 0, "round"), values[1]?.string ?? "common")
    },
  ]

  /// Text as a number, as Python's `float` reads it.
  private static func number(_ text: String) -> Double? {
    let trimmed = PythonText.stripped(text)
    // Swift also reads hexadecimal floats, which Python does not.
    guard !trimmed.utf8.contains(where: { $0 | 0x20 == UInt8(ascii: "x") }) else { return nil }
    return Double(trimmed)
  }

  private static func rounded(_ value: Value, _ precision: Int, _ method: String) throws -> Value {
    guard ["common", "ceil", "floor"].contains(method) else {
      throw TemplateFailure("the filter 'round' knows common, ceil and floor, not '\(method)'")
    }
    guard let number = value.double else {
      throw TemplateFailure("the filter 'round' expects a number, found \(value.kind)")
    }
    guard (-300...300).contains(precision) else { throw TemplateFailure("the precision of 'round' is out of range") }
    if method == "common" {
      if let integer = value.integer, precision >= 0 { return .integer(integer) }
      guard number.isFinite else { return value }
      if precision >= 0 { return .number(Double(FormatSpecification.number(number, precision, "f")) ?? number) }
      let scale = Double("1e\(-precision)")!
      let result = (number / scale).rounded(.toNearestOrEven) * scale
      return value.integer == nil ? .number(result) : .integer(Int(exactly: result) ?? 0)
    }
    let scale = Double("1e\(precision)")!
    return .number((number * scale).rounded(method == "ceil" ? .up : .down) / scale)
  }
}
