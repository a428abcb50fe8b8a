/// Values as Python's `json.dumps` writes them: the `tojson` filter of chat templates.
struct JSONText {
  var escapesNonASCII = false
  var indent: String?
  var itemSeparator = ", "
  var keySeparator = ": "
  var sortsKeys = false

  func text(_ value: Value, _ interpreter: Interpreter) throws -> String {
    var output = ""
    try write(value, level: 0, into: &output, interpreter)
    try interpreter.budget.text(output.utf8.count)
    return output
  }

  private func write(_ value: Value, level: Int, into output: inout String, _ interpreter: Interpreter) throws {
    try interpreter.budget.step()
    if output.utf8.count > Budget.maximumText { try interpreter.budget.text(output.utf8.count) }
    switch value {
    case .none: output += "null"
    case .bool(let value): output += value ? "true" : "false"
    case .integer(let value): output += String(value)
    case .number(let value): output += Self.number(value)
    case .string(let text): writeQuoted(text, into: &output)
    case .list(let list), .tuple(let list):
      try write(list.items, "[", "]", level: level, into: &output) { item, output in
        try write(item, level: level + 1, into: &output, interpreter)
      }
    case .mapping(let mapping):
      var entries = mapping.entries
      if sortsKeys { try entries.sort { try interpreter.isOrdered($0.key, $1.key) } }
      let members = try entries.map { (key: try Self.key($0.key), value: $0.value) }
      try write(members, "{", "}", level: level, into: &output) { member, output in
        writeQuoted(member.key, into: &output)
        output += keySeparator
        try write(member.value, level: level + 1, into: &output, interpreter)
      }
    default: throw TemplateFailure("\(value.kind) cannot be written as JSON")
    }
  }

  private func write<Element>(
    _ items: [Element], _ open: String, _ close: String, level: Int, into output: inout String,
    element: (Element, inout String) throws -> Void
  ) rethrows {
    output += open
    for (index, item) in items.enumerated() {
      if index > 0 { output += itemSeparator }
      breakLine(level + 1, into: &output)
      try element(item, &output)
    }
    if !items.isEmpty { breakLine(level, into: &output) }
    output += close
  }

  private func breakLine(_ level: Int, into output: inout String) {
    guard let indent else { return }
    output += "\n"
    for _ in 0..<level { output += indent }
  }

  private static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
    return PythonText.number(value)
  }

  private static func key(_ value: Value) throws -> String {
    switch value {
    case .string(let text): text
    case .none: "null"
    case .bool(let value): value ? "true" : "false"
    case .integer(let value): String(value)
    case .number(let value): number(value)
    default: throw TemplateFailure("\(value.kind) cannot be a key in JSON")
    }
  }

  private func writeQuoted(_ text: String, into output: inout String) {
    output += "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": output += "\\\""
      case "\\": output += "\\\\"
      case "\n": output += "\\n"
      case "\r": output += "\\r"
      case "\t": output += "\\t"
      case "\u{8}": output += "\\b"
      case "\u{C}": output += "\\f"
      case _ where scalar.value < 0x20 || (escapesNonASCII && scalar.value > 0x7E):
        for unit in UTF16.encode(scalar).unsafelyUnwrapped { output += "\\u" + PythonText.hexadecimal(UInt32(unit), 4) }
      default: output.unicodeScalars.append(scalar)
      }
    }
    output += "\""
  }
}
