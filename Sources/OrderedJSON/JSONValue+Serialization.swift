extension JSONValue {
  /// How a document is laid out as text.
  package enum Style: Sendable {
    /// One line, `", "` and `": "` between parts, as Python's `json.dumps` writes it.
    case line
    /// Indented by a number of blanks, as `json.dumps(indent=)` writes it.
    case indented(Int)
  }

  /// The document as JSON text. Non-ASCII characters stand as themselves.
  ///
  /// - Note: NaN and infinities are written as `null`: JSON has no word for them.
  package func text(_ style: Style = .line) -> String {
    var output = ""
    write(to: &output, style: style, depth: 0)
    return output
  }

  private func write(to output: inout String, style: Style, depth: Int) {
    switch self {
    case .null: output += "null"
    case .bool(let value): output += value ? "true" : "false"
    case .integer(let value): output += String(value)
    case .number(let value): output += value.isFinite ? "\(value)" : "null"
    case .string(let value): Self.writeQuoted(value, to: &output)
    case .array(let elements):
      Self.writeList("[", "]", elements, to: &output, style: style, depth: depth) { element, output in
        element.write(to: &output, style: style, depth: depth + 1)
      }
    case .object(let members):
      Self.writeList("{", "}", members, to: &output, style: style, depth: depth) { member, output in
        Self.writeQuoted(member.key, to: &output)
        output += ": "
        member.value.write(to: &output, style: style, depth: depth + 1)
      }
    }
  }

  private static func writeList<Elements: Collection>(
    _ open: String, _ close: String, _ elements: Elements, to output: inout String, style: Style, depth: Int,
    element: (Elements.Element, inout String) -> Void
  ) {
    output += open
    var first = true
    for item in elements {
      if !first {
        if case .line = style { output += ", " } else { output += "," }
      }
      if case .indented(let width) = style {
        output += "\n" + String(repeating: " ", count: width * (depth + 1))
      }
      first = false
      element(item, &output)
    }
    if case .indented(let width) = style, !elements.isEmpty {
      output += "\n" + String(repeating: " ", count: width * depth)
    }
    output += close
  }

  /// Appends `text` in quotes, with the escapes that RFC 8259 section 7 asks for.
  package static func writeQuoted(_ text: String, to output: inout String) {
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
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        output += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: output.unicodeScalars.append(scalar)
      }
    }
    output += "\""
  }
}
