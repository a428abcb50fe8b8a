extension Filters {
  static let sequences: [String: Filter] = {
    var table: [String: Filter] = [
      "length": { interpreter, value, _ in .integer(try interpreter.length(of: value)) },
      "list": { interpreter, value, _ in try .list(try interpreter.elements(of: value)) },
      "default": { interpreter, value, arguments in
        let values = try arguments.bind("default", ["default_value", "boolean"])
        let isMissing = value.isUndefined || ((values[1]?.isTrue ?? false) && !value.isTrue)
        return isMissing ? values[0] ?? .string("") : value
      },
      "first": { interpreter, value, _ in
        if case .iterator(let iterator) = value { return iterator.takeFirst() ?? .undefined("the first of nothing") }
        return try interpreter.elements(of: value).first ?? .undefined("the first of nothing")
      },
      "last": { interpreter, value, _ in
        if case .iterator = value { throw TemplateFailure("the filter 'last' expects a list, found an iterator") }
        return try interpreter.elements(of: value).last ?? .undefined("the last of nothing")
      },
      "join": { interpreter, value, arguments in
        let values = try arguments.bind("join", ["d", "attribute"])
        var items = try interpreter.elements(of: value)
        if let path = try AttributePath(values[1]) { items = try items.map { try path.value(of: $0, interpreter) } }
        let parts = try items.map { try interpreter.text($0) }
        return .string(try interpreter.join(parts, by: try interpreter.text(values[0] ?? .string(""))))
      },
      "reverse": { interpreter, value, _ in
        if case .string(let text) = value {
          return .string(String(String.UnicodeScalarView(text.unicodeScalars.reversed())))
        }
        return .iterator(try ValueIterator(try interpreter.elements(of: value).reversed()))
      },
      "items": { interpreter, value, _ in
        switch value {
        case .undefined: return .iterator(try ValueIterator([]))
        case .mapping:
          return .iterator(
            try ValueIterator(try interpreter.elements(of: try interpreter.callMethod("items", on: value, Arguments())))
          )
        default: throw TemplateFailure("the filter 'items' expects a mapping, found \(value.kind)")
        }
      },
      "map": { interpreter, value, arguments in
        let items = try interpreter.elements(of: value)
        try interpreter.budget.elements(items.count)
        return .iterator(try ValueIterator(try mapped(items, arguments, interpreter)))
      },
      "sort": { interpreter, value, arguments in
        let values = try arguments.bind("sort", ["reverse", "case_sensitive", "attribute"])
        let items = try interpreter.elements(of: value)
        return try .list(
          try sorted(
            items, by: try keys(items, values[2], values[1], interpreter), descending: values[0]?.isTrue ?? false,
            interpreter))
      },
      "dictsort": { interpreter, value, arguments in
        let values = try arguments.bind("dictsort", ["case_sensitive", "by", "reverse"])
        guard case .mapping(let mapping) = value else {
          throw TemplateFailure("the filter 'dictsort' expects a mapping, found \(value.kind)")
        }
        let by = values[1]?.string ?? "key"
        guard by == "key" || by == "value" else {
          throw TemplateFailure("'dictsort' sorts by key or value, not '\(by)'")
        }
        let pairs = try interpreter.elements(of: try interpreter.callMethod("items", on: value, Arguments()))
        let sensitive = values[0]?.isTrue ?? false
        let keys = mapping.entries.map { folded(by == "key" ? $0.key : $0.value, sensitive) }
        return try .list(try sorted(pairs, by: keys, descending: values[2]?.isTrue ?? false, interpreter))
      },
      "unique": { interpreter, value, arguments in
        let values = try arguments.bind("unique", ["case_sensitive", "attribute"])
        let items = try interpreter.elements(of: value)
        let keys = try keys(items, values[1], values[0], interpreter)
        var seen: Set<Mapping.Key> = []
        let kept = try zip(items, keys).filter { seen.insert(try Mapping.Key($0.1)).inserted }
        return .iterator(try ValueIterator(kept.map(\.0)))
      },
      "sum": { interpreter, value, arguments in
        let values = try arguments.bind("sum", ["attribute", "start"])
        let path = try AttributePath(values[0])
        return try interpreter.elements(of: value).reduce(values[1] ?? .integer(0)) { total, item in
          try interpreter.apply(.add, total, try path?.value(of: item, interpreter) ?? item)
        }
      },
      "batch": { interpreter, value, arguments in
        let values = try arguments.bind("batch", ["linecount", "fill_with"])
        let size = try integer(values[0], or: 0, "batch")
        guard size > 0, size <= Budget.maximumRange else {
          throw TemplateFailure("the filter 'batch' expects a size from 1 on")
        }
        let items = try interpreter.elements(of: value)
        var rows = stride(from: 0, to: items.count, by: size).map { Array(items[$0..<min($0 + size, items.count)]) }
        if let fill = values[1], let last = rows.last {
          if case .none = fill {} else { rows[rows.count - 1] += Array(repeating: fill, count: size - last.count) }
        }
        try interpreter.budget.elements(rows.count * size)
        return .iterator(try ValueIterator(try rows.map { try .list($0) }))
      },
      "groupby": { interpreter, value, arguments in
        let values = try arguments.bind("groupby", ["attribute", "default", "case_sensitive"])
        return try grouped(try interpreter.elements(of: value), values, interpreter)
      },
      "attr": { interpreter, value, arguments in
        guard case .string(let name)? = try arguments.bind("attr", ["name"])[0] else {
          throw TemplateFailure("the filter 'attr' expects a name")
        }
        // Unlike a dot, this filter never looks at items.
        if case .mapping = value, !Methods.exists(name, on: value) { return .undefined(name) }
        return try interpreter.attribute(name, of: value)
      },
    ]
    table["count"] = table["length"]
    table["d"] = table["default"]
    for (name, negated, byAttribute) in [
      ("select", false, false), ("reject", true, false), ("selectattr", false, true), ("rejectattr", true, true),
    ] {
      table[name] = { interpreter, value, arguments in
        let items = try interpreter.elements(of: value)
        return .iterator(try ValueIterator(try selected(items, arguments, name, negated, byAttribute, interpreter)))
      }
    }
    for (name, takesLast) in [("min", false), ("max", true)] {
      table[name] = { interpreter, value, arguments in
        let values = try arguments.bind(name, ["case_sensitive", "attribute"])
        let items = try interpreter.elements(of: value)
        let keys = try keys(items, values[1], values[0], interpreter)
        guard var best = items.indices.first else { return .undefined("the \(name) of nothing") }
        for index in items.indices.dropFirst() {
          let (low, high) = takesLast ? (best, index) : (index, best)
          if try interpreter.isOrdered(keys[low], keys[high]) { best = index }
        }
        return items[best]
      }
    }
    return table
  }()

  private static func mapped(_ items: [Value], _ arguments: Arguments, _ interpreter: Interpreter) throws -> [Value] {
    if arguments.positional.isEmpty {
      let known = ["attribute", "default"]
      guard arguments.keywords.allSatisfy({ known.contains($0.name) }) else {
        throw TemplateFailure("the filter 'map' has no such argument")
      }
      guard let path = try AttributePath(arguments.keywords.first { $0.name == "attribute" }?.value) else {
        throw TemplateFailure("the filter 'map' expects a filter or an attribute")
      }
      let fallback = arguments.keywords.first { $0.name == "default" }?.value
      return try items.map { item in
        let value = try path.value(of: item, interpreter)
        return value.isUndefined ? fallback ?? value : value
      }
    }
    guard case .string(let name) = arguments.positional[0], let filter = named(name) else {
      throw TemplateFailure("the filter 'map' expects the name of a filter")
    }
    let rest = arguments.withoutFirst
    return try items.map { item in
      try interpreter.budget.step()
      return try filter(interpreter, item, rest)
    }
  }

  private static func selected(
    _ items: [Value], _ arguments: Arguments, _ name: String, _ negated: Bool, _ byAttribute: Bool,
    _ interpreter: Interpreter
  ) throws -> [Value] {
    var arguments = arguments
    var path: AttributePath?
    if byAttribute {
      path = try AttributePath(arguments.positional.first)
      guard path != nil else { throw TemplateFailure("the filter '\(name)' expects an attribute") }
      arguments = arguments.withoutFirst
    }
    var test: Test?
    if let first = arguments.positional.first {
      guard case .string(let name) = first, let found = Tests.named(name) else {
        throw TemplateFailure("there is no test \(try interpreter.representation(first))")
      }
      test = found
      arguments = arguments.withoutFirst
    }
    return try items.filter { item in
      try interpreter.budget.step()
      let value = try path?.value(of: item, interpreter) ?? item
      return try (test.map { try $0(interpreter, value, arguments) } ?? value.isTrue) != negated
    }
  }

  private static func keys(
    _ items: [Value], _ attribute: Value?, _ sensitive: Value?, _ interpreter: Interpreter
  ) throws -> [Value] {
    let path = try AttributePath(attribute)
    return try items.map { folded(try path?.value(of: $0, interpreter) ?? $0, sensitive?.isTrue ?? false) }
  }

  private static func folded(_ value: Value, _ sensitive: Bool) -> Value {
    if !sensitive, case .string(let text) = value { return .string(text.lowercased()) }
    return value
  }

  /// A stable sort; equal keys keep their order in both directions, as in Python.
  private static func sorted(
    _ items: [Value], by keys: [Value], descending: Bool, _ interpreter: Interpreter
  ) throws -> [Value] {
    let order = try items.indices.sorted { a, b in
      let (low, high) = descending ? (b, a) : (a, b)
      if try interpreter.isOrdered(keys[low], keys[high]) { return true }
      return try a < b && !interpreter.isOrdered(keys[high], keys[low])
    }
    return order.map { items[$0] }
  }

  private static func grouped(_ items: [Value], _ values: [Value?], _ interpreter: Interpreter) throws -> Value {
    guard let path = try AttributePath(values[0]) else {
      throw TemplateFailure("the filter 'groupby' expects an attribute")
    }
    var keys = try items.map { try path.value(of: $0, interpreter) }
    if let fallback = values[1] { keys = keys.map { $0.isUndefined ? fallback : $0 } }
    let sensitive = values[2]?.isTrue ?? false
    let folds = keys.map { folded($0, sensitive) }
    let order = try sorted(items.indices.map(Value.integer), by: folds, descending: false, interpreter).compactMap(
      \.integer)
    var groups: [(key: Value, fold: Value, items: [Value])] = []
    for index in order {
      if let last = groups.last, try interpreter.equals(last.fold, folds[index]) {
        groups[groups.count - 1].items.append(items[index])
      } else {
        groups.append((keys[index], folds[index], [items[index]]))
      }
    }
    // Python's groups are tuples with names; templates take them apart, or use the names.
    return try .list(try groups.map { group in try .tuple([group.key, try .list(group.items)]) })
  }
}

/// Where filters such as `sort` and `map` look in an item: names or indices, separated by dots.
struct AttributePath {
  private let parts: [Value]

  /// Nil when no path is given.
  init?(_ value: Value?) throws {
    switch value {
    case nil, .some(.none): return nil
    case .integer?: parts = [value!]
    case .string(let text)?:
      parts = PythonText.split(text, by: ".", limit: -1).map { part in
        part.utf8.allSatisfy { (48...57).contains($0) } ? Int(part).map(Value.integer) ?? .string(part) : .string(part)
      }
    case let value?: throw TemplateFailure("expected the name of an attribute, found \(value.kind)")
    }
  }

  func value(of item: Value, _ interpreter: Interpreter) throws -> Value {
    try parts.reduce(item) { try interpreter.item($1, of: $0) }
  }
}
