/// What follows `is`: a question to a value.
typealias Test = @Sendable (Interpreter, Value, Arguments) throws -> Bool

enum Tests {
  static func named(_ name: String) -> Test? { table[name] }

  private static let table: [String: Test] = {
    var table: [String: Test] = [
      "defined": { _, value, _ in !value.isUndefined },
      "undefined": { _, value, _ in value.isUndefined },
      "none": { _, value, _ in if case .none = value { true } else { false } },
      "boolean": { _, value, _ in if case .bool = value { true } else { false } },
      "true": { _, value, _ in if case .bool(true) = value { true } else { false } },
      "false": { _, value, _ in if case .bool(false) = value { true } else { false } },
      "integer": { _, value, _ in if case .integer = value { true } else { false } },
      "float": { _, value, _ in if case .number = value { true } else { false } },
      "number": { _, value, _ in value.double != nil },
      "string": { _, value, _ in value.string != nil },
      "mapping": { _, value, _ in if case .mapping = value { true } else { false } },
      "sequence": { _, value, _ in
        switch value {
        case .string, .list, .tuple, .mapping, .undefined: true
        default: false
        }
      },
      "iterable": { _, value, _ in
        switch value {
        case .string, .list, .tuple, .mapping, .undefined, .iterator, .loop: true
        default: false
        }
      },
      "callable": { _, value, _ in
        switch value {
        case .macro, .method, .builtin, .loop: true
        default: false
        }
      },
      "odd": { _, value, _ in try integer(value, "odd") & 1 == 1 },
      "even": { _, value, _ in try integer(value, "even") & 1 == 0 },
      "divisibleby": { interpreter, value, arguments in
        let divisor = Value.integer(try integer(try other(arguments, "divisibleby"), "divisibleby"))
        let remainder = try interpreter.apply(.modulo, .integer(try integer(value, "divisibleby")), divisor)
        return !remainder.isTrue
      },
      "in": { interpreter, value, arguments in try interpreter.contains(try other(arguments, "in"), value) },
      "lower": { interpreter, value, _ in
        let text = try interpreter.text(value)
        return try interpreter.callText("islower", text, Arguments()).isTrue
      },
      "upper": { interpreter, value, _ in
        let text = try interpreter.text(value)
        return try interpreter.callText("isupper", text, Arguments()).isTrue
      },
      "filter": { _, value, _ in value.string.map { Filters.named($0) != nil } ?? false },
      "test": { _, value, _ in value.string.map { named($0) != nil } ?? false },
      "sameas": { interpreter, value, arguments in try isSame(value, try other(arguments, "sameas"), interpreter) },
      "escaped": { _, _, _ in false },
    ]
    for (names, comparison) in comparisons {
      for name in names {
        table[name] = { interpreter, value, arguments in
          try interpreter.compare(comparison, value, try other(arguments, name))
        }
      }
    }
    return table
  }()

  private static let comparisons: [([String], Comparison)] = [
    (["==", "eq", "equalto"], .equal), (["!=", "ne"], .notEqual), (["<", "lt", "lessthan"], .less),
    (["<=", "le"], .lessOrEqual), ([">", "gt", "greaterthan"], .greater), ([">=", "ge"], .greaterOrEqual),
  ]

  private static func other(_ arguments: Arguments, _ name: String) throws -> Value {
    guard let value = try arguments.bind(name, ["other"])[0] else {
      throw TemplateFailure("the test '\(name)' expects a value to compare with")
    }
    return value
  }

  private static func integer(_ value: Value, _ name: String) throws -> Int {
    guard let integer = value.integer else {
      throw TemplateFailure("the test '\(name)' expects an integer, found \(value.kind)")
    }
    return integer
  }

  /// Identity, which of Python's values only constants and shared objects have for certain.
  private static func isSame(_ left: Value, _ right: Value, _ interpreter: Interpreter) throws -> Bool {
    switch (left, right) {
    case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)): return a === b
    case (.mapping(let a), .mapping(let b)): return a === b
    case (.bool(let a), .bool(let b)): return a == b
    case (.bool, _), (_, .bool): return false
    case (.integer, .number), (.number, .integer): return false
    default: return try interpreter.equals(left, right)
    }
  }
}
