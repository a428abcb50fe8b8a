extension Filters {
  static let text: [String: Filter] = {
    var table: [String: Filter] = [
      "string": { interpreter, value, _ in .string(try interpreter.text(value)) },
      "safe": { interpreter, value, _ in .string(try interpreter.text(value)) },
      "trim": { interpreter, value, arguments in
        let text = try interpreter.text(value)
        let characters = try arguments.bind("trim", ["chars"])[0]
        guard let characters, case .string(let set) = characters else { return .string(PythonText.stripped(text)) }
        return .string(PythonText.stripped(text, characters: set))
      },
      "title": { interpreter, value, _ in .string(titled(try interpreter.text(value))) },
      "escape": { interpreter, value, _ in .string(try escaped(try interpreter.text(value), interpreter)) },
      "e": { interpreter, value, _ in .string(try escaped(try interpreter.text(value), interpreter)) },
      "replace": { interpreter, value, arguments in
        let values = try arguments.bind("replace", ["old", "new", "count"])
        guard let old = values[0], let new = values[1] else {
          throw TemplateFailure("the filter 'replace' expects two texts")
        }
        let limit = if case .some(.none) = values[2] { -1 } else { try integer(values[2], or: -1, "replace") }
        return .string(
          try PythonText.replaced(
            try interpreter.text(value), try interpreter.text(old), with: try interpreter.text(new), limit: limit
          ) { try interpreter.budget.text($0) })
      },
      "indent": { interpreter, value, arguments in
        let values = try arguments.bind("indent", ["width", "first", "blank"])
        var indent = values[0]?.string
        if indent == nil { indent = try blanks(try integer(values[0], or: 4, "indent"), "indent") }
        return .string(
          try indented(
            try interpreter.text(value), by: indent ?? "", first: values[1]?.isTrue ?? false,
            blank: values[2]?.isTrue ?? false, interpreter))
      },
      "tojson": { interpreter, value, arguments in
        let values = try arguments.bind("tojson", ["ensure_ascii", "indent", "separators", "sort_keys"])
        return .string(try jsonText(values, interpreter).text(value, interpreter))
      },
      "wordcount": { interpreter, value, _ in
        let text = try interpreter.text(value)
        var count = 0
        var inside = false
        for scalar in text.unicodeScalars {
          let isWord = scalar == "_" || scalar.properties.isAlphabetic || scalar.properties.numericType != nil
          if isWord, !inside { count += 1 }
          inside = isWord
        }
        return .integer(count)
      },
      "center": { interpreter, value, arguments in
        let width = try integer(try arguments.bind("center", ["width"])[0], or: 80, "center")
        return .string(try interpreter.padded(try interpreter.text(value), width, " ", "center"))
      },
      "format": { interpreter, value, arguments in
        .string(try PercentFormat.text(try interpreter.text(value), arguments, interpreter))
      },
    ]
    for name in ["upper", "lower", "capitalize"] {
      table[name] = { interpreter, value, arguments in
        try interpreter.callText(name, try interpreter.text(value), arguments)
      }
    }
    return table
  }()

  private static func blanks(_ width: Int, _ name: String) throws -> String {
    guard width <= 1_000 else { throw TemplateFailure("the width of '\(name)' is larger than 1000") }
    return String(repeating: " ", count: max(width, 0))
  }

  private static func jsonText(_ values: [Value?], _ interpreter: Interpreter) throws -> JSONText {
    var json = JSONText()
    json.escapesNonASCII = values[0]?.isTrue ?? false
    switch values[1] {
    case nil, .some(.none): break
    case .string(let text)?: json.indent = text
    case let value?: json.indent = try blanks(try integer(value, or: 0, "tojson"), "tojson")
    }
    if json.indent != nil { json.itemSeparator = "," }
    switch values[2] {
    case nil, .some(.none): break
    case let value?:
      let parts = try interpreter.elements(of: value)
      guard parts.count == 2, let item = parts[0].string, let key = parts[1].string else {
        throw TemplateFailure("the separators of 'tojson' are two strings")
      }
      (json.itemSeparator, json.keySeparator) = (item, key)
    }
    json.sortsKeys = values[3]?.isTrue ?? false
    return json
  }

  private static func escaped(_ text: String, _ interpreter: Interpreter) throws -> String {
    try interpreter.budget.text(text.utf8.count * 5)
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "'": result += "&#39;"
      case "\"": result += "&#34;"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// Large letters where words begin: after blanks, hyphens and opening brackets.
  private static func titled(_ text: String) -> String {
    var result = ""
    var startsWord = true
    for scalar in text.unicodeScalars {
      let separates = Whitespace.contains(scalar) || "-({[<".unicodeScalars.contains(scalar)
      if separates {
        result.unicodeScalars.append(scalar)
      } else {
        result += startsWord ? scalar.properties.uppercaseMapping : scalar.properties.lowercaseMapping
      }
      startsWord = separates
    }
    return result
  }

  private static func indented(
    _ text: String, by indent: String, first: Bool, blank: Bool, _ interpreter: Interpreter
  ) throws -> String {
    // The added newline keeps an empty last line, which splitting into lines would drop.
    let lines = PythonText.lines(text + "\n")
    try interpreter.budget.text(text.utf8.count + lines.count * (indent.utf8.count + 1))
    var result = first ? indent : ""
    for (index, line) in lines.enumerated() {
      if index > 0 {
        result += "\n"
        if blank || !line.isEmpty { result += indent }
      }
      result += line
    }
    return result
  }
}
