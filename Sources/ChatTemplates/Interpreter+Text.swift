extension Interpreter {
  /// A value as Python's `str` prints it; what is undefined prints as nothing.
  func text(_ value: Value) throws -> String {
    switch value {
    case .string(let text): return text
    case .undefined: return ""
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
    case .undefined: output += "Undefined"
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
      output += "{"
      for (index, entry) in mapping.entries.enumerated() {
        if index > 0 { output += ", " }
        try represent(entry.key, into: &output)
        output += ": "
        try represent(entry.value, into: &output)
      }
      output += "}"
    case .namespace, .iterator, .macro, .method, .builtin, .loop:
      throw TemplateFailure("\(value.kind) cannot be printed")
    }
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
