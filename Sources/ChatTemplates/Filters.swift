/// What follows `|`: a function of a value and arguments.
typealias Filter = @Sendable (Interpreter, Value, Arguments) throws -> Value

enum Filters {
  static func named(_ name: String) -> Filter? { table[name] }

  /// Filters of jinja2 that a chat template has no use for, or whose result is never the same twice.
  static let unsupported: Set<String> = ["pprint", "random", "striptags", "urlize", "wordwrap", "xmlattr"]

  private static let table: [String: Filter] = {
    var table = text.merging(sequences) { first, _ in first }.merging(numbers) { first, _ in first }
    for name in [
      "string", "safe", "title", "escape", "e", "forceescape", "urlencode", "wordcount", "upper", "lower", "capitalize",
      "length", "count", "list", "first", "last", "reverse", "items", "abs",
    ] {
      guard let filter = table[name] else { continue }
      table[name] = { interpreter, value, arguments in
        guard arguments.isEmpty else { throw TemplateFailure("the filter '\(name)' takes no arguments") }
        return try filter(interpreter, value, arguments)
      }
    }
    return table
  }()

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
      let base = values[1] ?? .integer(10)
      switch value {
      case .integer: return value
      case .bool(let bool): return .integer(bool ? 1 : 0)
      case .number(let number):
        if let integer = Int(exactly: number.rounded(.towardZero)) { return .integer(integer) }
        if number.isNaN { return values[0] ?? .integer(0) }
        throw TemplateFailure(.bound, "the number does not fit 64 bits")
      case .string(let text):
        if let base = base.integer, let integer = try PythonText.integer(text, base: base) { return .integer(integer) }
        if let number = number(text), number.isFinite {
          guard let integer = Int(exactly: number.rounded(.towardZero)) else {
            throw TemplateFailure(.bound, "the number does not fit 64 bits")
          }
          return .integer(integer)
        }
        return values[0] ?? .integer(0)
      case .undefined, .refused: throw value.absence!
      default: return values[0] ?? .integer(0)
      }
    },
    "float": { _, value, arguments in
      let fallback = try arguments.bind("float", ["default"])[0] ?? .number(0)
      if let double = value.double { return .number(double) }
      if let absence = value.absence { throw absence }
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
      return try rounded(value, values[0] ?? .integer(0), values[1].map { $0.string ?? "" } ?? "common")
    },
  ]

  /// Text as a number, as Python's `float` reads it.
  static func number(_ text: String) -> Double? {
    let trimmed = PythonText.stripped(text)
    // Swift also reads hexadecimal floats and payloads, which Python does not.
    guard !trimmed.utf8.contains(where: { $0 | 0x20 == UInt8(ascii: "x") || $0 == UInt8(ascii: "(") }) else {
      return nil
    }
    guard trimmed.utf8.contains(UInt8(ascii: "_")) else { return Double(trimmed) }
    // Underscores stand between digits only.
    let bytes = Array(trimmed.utf8)
    func isDigit(_ index: Int) -> Bool { bytes.indices.contains(index) && (48...57).contains(bytes[index]) }
    for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "_") {
      guard isDigit(index - 1), isDigit(index + 1) else { return nil }
    }
    return Double(trimmed.filter { $0 != "_" })
  }

  private static func rounded(_ value: Value, _ places: Value, _ method: String) throws -> Value {
    guard ["common", "ceil", "floor"].contains(method) else {
      throw TemplateFailure(.runtime, "the filter 'round' knows common, ceil and floor, not '\(method)'")
    }
    let precision = try integer(places, or: 0, "round")
    if method != "common", let absence = value.absence { throw absence }
    guard let number = value.double else {
      throw TemplateFailure("the filter 'round' expects a number, found \(value.kind)")
    }
    guard (-300...300).contains(precision) else {
      throw TemplateFailure(.bound, "the precision of 'round' is out of range")
    }
    if method == "common" {
      if let integer = value.integer, precision >= 0 { return .integer(integer) }
      guard number.isFinite else { return value }
      if precision >= 0 { return .number(Double(NumberText.text(number, precision, "f")) ?? number) }
      let scale = Double("1e\(-precision)")!
      let result = (number / scale).rounded(.toNearestOrEven) * scale
      return value.integer == nil ? .number(result) : .integer(Int(exactly: result) ?? 0)
    }
    let scale = Double("1e\(precision)")!
    guard number.isFinite else {
      throw TemplateFailure(number.isNaN ? .value : .bound, "the filter 'round' expects a finite number")
    }
    return .number((number * scale).rounded(method == "ceil" ? .up : .down) / scale)
  }
}
