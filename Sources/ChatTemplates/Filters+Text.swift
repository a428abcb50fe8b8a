extension Filters {
  static let text: [String: Filter] = {
    var table: [String: Filter] = [
      "string": { interpreter, value, _ in .string(try interpreter.text(value)) },
      "safe": { interpreter, value, _ in .string(try interpreter.text(value)) },
      "trim": { interpreter, value, arguments in
        let text = try interpreter.text(value)
        let characters = try arguments.bind("trim", ["chars"])[0]
        guard let characters else { return .string(PythonText.stripped(text)) }
        if case .none = characters { return .string(PythonText.stripped(text)) }
        guard case .string(let set) = characters else {
          throw TemplateFailure("the filter 'trim' expects a string, found \(characters.kind)")
        }
        return .string(PythonText.stripped(text, characters: set))
      },
      "title": { interpreter, value, _ in .string(titled(try interpreter.text(value))) },
      "forceescape": { interpreter, value, _ in .string(try escaped(try interpreter.text(value), interpreter)) },
      "truncate": { interpreter, value, arguments in try truncated(value, arguments, interpreter) },
      "urlencode": { interpreter, value, _ in .string(try urlEncoded(value, interpreter)) },
      "filesizeformat": { interpreter, value, arguments in
        let values = try arguments.bind("filesizeformat", ["binary"])
        return .string(try fileSize(value, isBinary: values[0]?.isTrue ?? false))
      },
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
        if let absence = value.absence { throw absence }
        guard case .string(let text) = value else {
          throw TemplateFailure("the filter 'indent' expects a string, found \(value.kind)")
        }
        if indent == nil { indent = try blanks(try integer(values[0], or: 4, "indent"), "indent") }
        return .string(
          try indented(
            text, by: indent ?? "", first: values[1]?.isTrue ?? false,
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
          let isWord = scalar == "_" || PythonText.isLetter(scalar) || scalar.properties.numericType != nil
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
        guard arguments.positional.isEmpty || arguments.keywords.isEmpty else {
          throw TemplateFailure(.runtime, "the filter 'format' takes values by order or by name, not both")
        }
        let right: Value =
          arguments.keywords.isEmpty
          ? try .tuple(arguments.positional)
          : .mapping(try Mapping(arguments.keywords.map { (.string($0.name), $0.value) }))
        return .string(try PercentFormat.text(try interpreter.text(value), right, interpreter))
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
    guard width <= 1_000 else { throw TemplateFailure(.bound, "the width of '\(name)' is larger than 1000") }
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

  private static func truncated(_ value: Value, _ arguments: Arguments, _ interpreter: Interpreter) throws -> Value {
    let values = try arguments.bind("truncate", ["length", "killwords", "end", "leeway"])
    let length = try integer(values[0], or: 255, "truncate")
    let leeway = try integer(values[3], or: 5, "truncate")
    let end = values[2] ?? .string("...")
    guard length >= (try interpreter.length(of: end)), leeway >= 0 else {
      throw TemplateFailure(.value, "the length of 'truncate' is less than that of its end")
    }
    if try interpreter.length(of: value) - leeway <= length { return value }
    guard case .string(let text) = value, case .string(let end) = end else {
      throw TemplateFailure("the filter 'truncate' expects a string, found \(value.kind)")
    }
    let kept = String(text.unicodeScalars.prefix(length - end.unicodeScalars.count))
    if values[1]?.isTrue ?? false { return .string(kept + end) }
    return .string(PythonText.split(kept, by: " ", limit: 1, fromRight: true)[0] + end)
  }

  private static func urlEncoded(_ value: Value, _ interpreter: Interpreter) throws -> String {
    func quoted(_ text: String, inQuery: Bool) throws -> String {
      try interpreter.budget.text(text.utf8.count * 3)
      var result = ""
      for byte in text.utf8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"),
          UInt8(ascii: "~"):
          result.unicodeScalars.append(Unicode.Scalar(byte))
        case UInt8(ascii: "/") where !inQuery: result += "/"
        case UInt8(ascii: " ") where inQuery: result += "+"
        default: result += "%" + PythonText.hexadecimal(UInt32(byte), 2).uppercased()
        }
      }
      return result
    }
    var pairs = value
    if case .mapping = value { pairs = try interpreter.callMethod("items", on: value, Arguments()) }
    guard value.string == nil, let items = try? interpreter.elements(of: pairs) else {
      return try quoted(try interpreter.text(value), inQuery: false)
    }
    return try interpreter.join(
      try items.map { item in
        let pair = try interpreter.elements(of: item)
        guard pair.count == 2 else { throw TemplateFailure(.value, "expected pairs of key and value") }
        return try quoted(interpreter.text(pair[0]), inQuery: true) + "="
          + quoted(interpreter.text(pair[1]), inQuery: true)
      }, by: "&")
  }

  private static func fileSize(_ value: Value, isBinary: Bool) throws -> String {
    if let absence = value.absence { throw absence }
    guard let bytes = value.double ?? value.string.flatMap(number) else {
      throw TemplateFailure(value.string == nil ? .type : .value, "the filter 'filesizeformat' expects a number")
    }
    let base = isBinary ? 1024.0 : 1000.0
    if bytes == 1 { return "1 Byte" }
    if bytes < base {
      guard let whole = Int(exactly: bytes.rounded(.towardZero)) else {
        throw TemplateFailure(.bound, "the number does not fit 64 bits")
      }
      return "\(whole) Bytes"
    }
    guard !bytes.isNaN else { return "nan " + (isBinary ? "YiB" : "YB") }
    var unit = base * base
    let prefixes = Array("KMGTPEZY")
    for (index, prefix) in prefixes.enumerated() {
      if bytes < unit || index == prefixes.count - 1 {
        let name = isBinary ? "\(prefix)iB" : index == 0 ? "kB" : "\(prefix)B"
        return NumberText.text(base * bytes / unit, 1, "f") + " " + name
      }
      unit *= base
    }
    return ""
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
