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
        case .string, .list, .tuple, .mapping, .undefined, .refused: true
        case .view(let view): view.isRange
        default: false
        }
      },
      "iterable": { _, value, _ in
        switch value {
        case .string, .list, .tuple, .mapping, .undefined, .refused, .iterator, .loop, .view: true
        default: false
        }
      },
      "callable": { _, value, _ in
        switch value {
        case .macro, .method, .builtin, .loop, .joiner, .undefined, .refused: true
        default: false
        }
      },
      "odd": { interpreter, value, _ in
        try interpreter.equals(try interpreter.apply(.modulo, value, .integer(2)), .integer(1))
      },
      "even": { interpreter, value, _ in
        try interpreter.equals(try interpreter.apply(.modulo, value, .integer(2)), .integer(0))
      },
      "divisibleby": { interpreter, value, arguments in
        let remainder = try interpreter.apply(.modulo, value, try other(arguments, "divisibleby"))
        return try interpreter.equals(remainder, .integer(0))
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
      "filter": { _, value, _ in
        _ = try Mapping.Key(value)
        return value.string.map { Filters.named($0) != nil || Filters.unsupported.contains($0) } ?? false
      },
      "test": { _, value, _ in
        _ = try Mapping.Key(value)
        return value.string.map { named($0) != nil } ?? false
      },
      "sameas": { _, value, arguments in value.isSameObject(as: try other(arguments, "sameas")) },
      "escaped": { _, _, _ in false },
    ]
    for (name, test) in table where !["divisibleby", "in", "sameas"].contains(name) {
      table[name] = { interpreter, value, arguments in
        guard arguments.isEmpty else { throw TemplateFailure("the test '\(name)' takes no arguments") }
        return try test(interpreter, value, arguments)
      }
    }
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

}

extension Value {
  /// Identity, which of Python's values only constants and shared objects have for certain.
  func isSameObject(as other: Value) -> Bool {
    switch (self, other) {
    case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)): a === b
    case (.mapping(let a), .mapping(let b)): a === b
    case (.bool(let a), .bool(let b)): a == b
    case (.integer(let a), .integer(let b)): a == b
    case (.number(let a), .number(let b)): a == b
    case (.string(let a), .string(let b)): a.isIdentical(to: b)
    case (.none, .none): true
    case (.namespace(let a), .namespace(let b)): a === b
    case (.macro(let a), .macro(let b)): a === b
    case (.loop(let a), .loop(let b)): a === b
    case (.iterator(let a), .iterator(let b)): a === b
    case (.view(let a), .view(let b)): a === b
    case (.builtin(let a), .builtin(let b)): a == b
    default: false
    }
  }
}
