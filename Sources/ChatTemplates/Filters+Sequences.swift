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
        if case .iterator(let iterator) = value {
          return try iterator.takeFirst() ?? .undefined("the first of nothing")
        }
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
        if case .iterator = value {
        } else if (try? interpreter.length(of: value)) == nil {
          throw TemplateFailure(.runtime, "the filter 'reverse' expects something to walk, found \(value.kind)")
        }
        return .iterator(try ValueIterator(try interpreter.elements(of: value).reversed()))
      },
      "items": { interpreter, value, _ in
        switch value {
        case .undefined, .refused: return .iterator(try ValueIterator([]))
        case .mapping:
          return .iterator(
            try ValueIterator(try interpreter.elements(of: try interpreter.callMethod("items", on: value, Arguments())))
          )
        default: throw TemplateFailure("the filter 'items' expects a mapping, found \(value.kind)")
        }
      },
      "map": { interpreter, value, arguments in
        .iterator(
          try ValueIterator(over: value, holding: arguments, interpreter) { try mapping(arguments, interpreter) })
      },
      "sort": { interpreter, value, arguments in
        let values = try arguments.bind("sort", ["reverse", "case_sensitive", "attribute"])
        let items = try interpreter.elements(of: value)
        return try .list(
          try sorted(
            items, by: try sortKeys(items, values[2], values[1], interpreter), descending: values[0]?.isTrue ?? false,
            interpreter))
      },
      "dictsort": { interpreter, value, arguments in
        let values = try arguments.bind("dictsort", ["case_sensitive", "by", "reverse"])
        let by = values[1].map { $0.string ?? "" } ?? "key"
        guard by == "key" || by == "value" else {
          throw TemplateFailure(.runtime, "'dictsort' sorts by key or value, not '\(by)'")
        }
        if let absence = value.absence { throw absence }
        guard case .mapping(let mapping) = value else {
          throw TemplateFailure("the filter 'dictsort' expects a mapping, found \(value.kind)")
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
        guard let size = values[0]?.integer else { throw TemplateFailure("the filter 'batch' expects a size") }
        guard size <= Budget.maximumRange else {
          throw TemplateFailure(.bound, "the size of 'batch' is larger than \(Budget.maximumRange)")
        }
        let items = try interpreter.elements(of: value)
        if size <= 0 {
          // Python's filter never completes such a batch, but starts with an empty one of size 0.
          if items.isEmpty { return .iterator(try ValueIterator([])) }
          return .iterator(try ValueIterator(size == 0 ? [try .list([]), try .list(items)] : [try .list(items)]))
        }
        var rows = stride(from: 0, to: items.count, by: size).map { Array(items[$0..<min($0 + size, items.count)]) }
        if let fill = values[1], let last = rows.last {
          if case .none = fill {} else { rows[rows.count - 1] += Array(repeating: fill, count: size - last.count) }
        }
        try interpreter.budget.elements(rows.count * size)
        return .iterator(try ValueIterator(try rows.map { try .list($0) }))
      },
      "slice": { interpreter, value, arguments in
        let values = try arguments.bind("slice", ["slices", "fill_with"])
        guard let count = values[0]?.integer else { throw TemplateFailure("the filter 'slice' expects a count") }
        guard count <= Budget.maximumRange else {
          throw TemplateFailure(.bound, "the count of 'slice' is larger than \(Budget.maximumRange)")
        }
        let items = try interpreter.elements(of: value)
        guard count != 0 else { throw TemplateFailure(.division, "division by zero: the count of 'slice' is 0") }
        guard count > 0 else { return .iterator(try ValueIterator([])) }
        try interpreter.budget.elements(items.count + count)
        var start = 0
        let columns = try (0..<count).map { index in
          let isLonger = index < items.count % count
          let end = start + items.count / count + (isLonger ? 1 : 0)
          defer { start = end }
          var column = Array(items[start..<end])
          if let fill = values[1], !isLonger { if case .none = fill {} else { column.append(fill) } }
          return try Value.list(column)
        }
        return .iterator(try ValueIterator(columns))
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
        .iterator(
          try ValueIterator(over: value, holding: arguments, interpreter) {
            try selection(arguments, name, negated, byAttribute, interpreter)
          })
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

  private static func mapping(_ arguments: Arguments, _ interpreter: Interpreter) throws -> ValueIterator.Transform {
    if arguments.positional.isEmpty {
      let known = ["attribute", "default"]
      guard arguments.keywords.allSatisfy({ known.contains($0.name) }) else {
        throw TemplateFailure(.runtime, "the filter 'map' has no such argument")
      }
      guard let path = try AttributePath(arguments.keywords.first { $0.name == "attribute" }?.value) else {
        throw TemplateFailure(.runtime, "the filter 'map' expects a filter or an attribute")
      }
      let fallback = arguments.keywords.first { $0.name == "default" }?.value
      return { item in
        let value = try path.value(of: item, interpreter)
        return value.isUndefined ? fallback ?? value : value
      }
    }
    guard case .string(let name) = arguments.positional[0], let filter = named(name) else {
      throw TemplateFailure(.runtime, "the filter 'map' expects the name of a filter")
    }
    let rest = arguments.withoutFirst
    return { item in
      try interpreter.budget.step()
      return try filter(interpreter, item, rest)
    }
  }

  private static func selection(
    _ arguments: Arguments, _ name: String, _ negated: Bool, _ byAttribute: Bool, _ interpreter: Interpreter
  ) throws -> ValueIterator.Transform {
    var arguments = arguments
    var path: AttributePath?
    if byAttribute {
      path = try AttributePath(arguments.positional.first)
      guard path != nil else { throw TemplateFailure(.runtime, "the filter '\(name)' expects an attribute") }
      arguments = arguments.withoutFirst
    }
    var test: Test?
    if let first = arguments.positional.first {
      guard case .string(let name) = first, let found = Tests.named(name) else {
        throw TemplateFailure(.runtime, "there is no test \(try interpreter.representation(first))")
      }
      test = found
      arguments = arguments.withoutFirst
    }
    return { item in
      try interpreter.budget.step()
      let value = try path?.value(of: item, interpreter) ?? item
      return try (test.map { try $0(interpreter, value, arguments) } ?? value.isTrue) != negated ? item : nil
    }
  }

  private static func keys(
    _ items: [Value], _ attribute: Value?, _ sensitive: Value?, _ interpreter: Interpreter
  ) throws -> [Value] {
    let path = try AttributePath(attribute)
    return try items.map { folded(try path?.value(of: $0, interpreter) ?? $0, sensitive?.isTrue ?? false) }
  }

  /// Lists of what `sort` compares: an item, an attribute of it, or several that commas separate.
  private static func sortKeys(
    _ items: [Value], _ attribute: Value?, _ sensitive: Value?, _ interpreter: Interpreter
  ) throws -> [Value] {
    guard case .string(let names)? = attribute else {
      return try keys(items, attribute, sensitive, interpreter).map { try .list([$0]) }
    }
    let columns = try PythonText.split(names, by: ",", limit: -1).map { name in
      try keys(items, .string(name), sensitive, interpreter)
    }
    return try items.indices.map { index in try .list(columns.map { $0[index] }) }
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
    return try .list(
      try groups.map { group in
        .tuple(try ValueList([group.key, try .list(group.items)], isGroup: true))
      })
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
