extension Interpreter {
  /// A value as Python's `str` prints it; what is undefined prints as nothing.
  func text(_ value: Value) throws -> String {
    switch value {
    case .string(let text): return text
    case .undefined, .refused: return ""
    default: return try representation(value)
    }
  }

  /// A value as Python's `repr` writes it.
  func representation(_ value: Value) throws -> String {
    var output = ""
    try represent(value, into: &output)
    return output
  }

  private func represent(_ value: Value, into output: inout String) throws {
    try budget.step()
    guard output.utf8.count <= Budget.maximumText else {
      try budget.text(output.utf8.count)
      return
    }
    switch value {
    case .undefined, .refused: output += "Undefined"
    case .none: output += "None"
    case .bool(let value): output += value ? "True" : "False"
    case .integer(let value): output += String(value)
    case .number(let value): output += PythonText.number(value)
    case .string(let text):
      try budget.text(text.utf8.count)
      output += PythonText.quoted(text)
    case .list(let list): try represent(list.items, "[", "]", into: &output)
    case .tuple(let list): try represent(list.items, "(", list.items.count == 1 ? ",)" : ")", into: &output)
    case .mapping(let mapping):
      try represent(mapping.entries, into: &output)
    case .view(let view):
      switch view.kind {
      case .range(let start, let stop, 1): output += "range(\(start), \(stop))"
      case .range(let start, let stop, let step): output += "range(\(start), \(stop), \(step))"
      case .keys: try represent(view.items, "dict_keys([", "])", into: &output)
      case .values: try represent(view.items, "dict_values([", "])", into: &output)
      case .pairs: try represent(view.items, "dict_items([", "])", into: &output)
      }
    case .namespace(let namespace):
      // A namespace may hold itself.
      try deeper {
        output += "<Namespace "
        try represent(namespace.attributes.map { (.string($0.name), $0.value) }, into: &output)
        output += ">"
      }
    case .macro(let macro):
      output +=
        macro.definition.symbol == SymbolTable.caller
        ? "<Macro anonymous>" : "<Macro \(PythonText.quoted(macro.definition.name))>"
    case .loop(let loop): output += "<LoopContext \(loop.index + 1)/\(loop.items.count)>"
    case .builtin(.cycler): output += "<class 'jinja2.utils.Cycler'>"
    case .builtin(.joiner): output += "<class 'jinja2.utils.Joiner'>"
    // Python prints an address too, which no two runs share.
    case .iterator: output += "<generator object>"
    case .method(let method): output += "<built-in method \(method.name)>"
    case .builtin(let builtin): output += "<function \(builtin.rawValue)>"
    case .cycler: output += "<jinja2.utils.Cycler object>"
    case .joiner: output += "<jinja2.utils.Joiner object>"
    }
  }

  private func represent(_ entries: [Mapping.Entry], into output: inout String) throws {
    output += "{"
    for (index, entry) in entries.enumerated() {
      if index > 0 { output += ", " }
      try represent(entry.key, into: &output)
      output += ": "
      try represent(entry.value, into: &output)
    }
    output += "}"
  }

  private func represent(_ items: [Value], _ open: String, _ close: String, into output: inout String) throws {
    output += open
    for (index, item) in items.enumerated() {
      if index > 0 { output += ", " }
      try represent(item, into: &output)
    }
    output += close
  }
}
