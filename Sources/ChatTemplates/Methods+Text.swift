extension Interpreter {
  func callText(_ name: String, _ text: String, _ arguments: Arguments) throws -> Value {
    func bind(_ names: String...) throws -> [Value?] { try arguments.bind(name, names) }
    func string(_ value: Value?) throws -> String {
      guard case .string(let text)? = value else {
        throw TemplateFailure("\(name) expects a string, found \(value?.kind ?? "nothing")")
      }
      return text
    }
    func optionalString(_ value: Value?) throws -> String? {
      if case .some(.none) = value { return nil }
      return try value.map { try string($0) }
    }
    func integer(_ value: Value?, or fallback: Int) throws -> Int {
      guard let value else { return fallback }
      guard let integer = value.integer else {
        throw TemplateFailure("\(name) expects an integer, found \(value.kind)")
      }
      return integer
    }
    switch name {
    case "strip", "lstrip", "rstrip":
      let characters = try optionalString(try bind("chars")[0])
      return .string(
        PythonText.stripped(text, characters: characters, left: name != "rstrip", right: name != "lstrip"))
    case "split", "rsplit":
      let values = try bind("sep", "maxsplit")
      let limit = try integer(values[1], or: -1)
      guard let separator = try optionalString(values[0]) else {
        try budget.elements(text.utf8.count / 2 + 1)
        return try strings(PythonText.words(text, limit: limit, fromRight: name == "rsplit"))
      }
      guard !separator.isEmpty else { throw TemplateFailure("\(name) expects a separator that is not empty") }
      let parts = PythonText.split(text, by: separator, limit: limit, fromRight: name == "rsplit")
      return try strings(parts)
    case "splitlines":
      return try strings(PythonText.lines(text, keepingEnds: try bind("keepends")[0]?.isTrue ?? false))
    case "startswith", "endswith":
      guard let value = try bind("prefix", "start", "end")[0], arguments.positional.count == 1 else {
        throw TemplateFailure("\(name) expects a string or a tuple of strings")
      }
      var choices = [value]
      if case .tuple(let list) = value { choices = list.items }
      return .bool(
        try choices.contains { choice in
          let part = Array(try string(choice).utf8)
          return name == "startswith"
            ? text.utf8.starts(with: part) : text.utf8.reversed().starts(with: part.reversed())
        })
    case "removeprefix":
      let part = try string(try bind("prefix")[0])
      return .string(text.utf8.starts(with: part.utf8) ? String(text.utf8.dropFirst(part.utf8.count)) ?? text : text)
    case "removesuffix":
      let part = try string(try bind("suffix")[0])
      let ends = text.utf8.reversed().starts(with: part.utf8.reversed())
      return .string(ends ? String(text.utf8.dropLast(part.utf8.count)) ?? text : text)
    case "replace":
      let values = try bind("old", "new", "count")
      return .string(
        try PythonText.replaced(
          text, try string(values[0]), with: try string(values[1]), limit: try integer(values[2], or: -1)
        ) { try budget.text($0) })
    case "upper": return .string(text.uppercased())
    case "lower", "casefold": return .string(text.lowercased())
    case "title": return .string(PythonText.titled(text))
    case "capitalize": return .string(PythonText.capitalized(text))
    case "swapcase":
      return .string(
        text.unicodeScalars.reduce(into: "") {
          $0 += $1.properties.isUppercase ? $1.properties.lowercaseMapping : $1.properties.uppercaseMapping
        })
    case "join":
      guard let value = try bind("iterable")[0] else { throw TemplateFailure("join expects a list") }
      let parts = try elements(of: value).map { try string($0) }
      return .string(try join(parts, by: text))
    case "partition", "rpartition":
      let separator = try string(try bind("sep")[0])
      guard !separator.isEmpty else { throw TemplateFailure("\(name) expects a separator that is not empty") }
      let parts = PythonText.split(text, by: separator, limit: 1, fromRight: name == "rpartition")
      if parts.count == 2 { return try .tuple([.string(parts[0]), .string(separator), .string(parts[1])]) }
      return try .tuple(
        name == "partition" ? [.string(text), .string(""), .string("")] : [.string(""), .string(""), .string(text)])
    case "format": return .string(try BraceFormat.text(text, arguments, self))
    case "zfill", "ljust", "rjust", "center":
      let values = try bind("width", "fillchar")
      let width = try integer(values[0], or: 0)
      let fill = try values[1].map { try string($0) } ?? (name == "zfill" ? "0" : " ")
      guard fill.unicodeScalars.count == 1 else { throw TemplateFailure("\(name) expects one character to fill with") }
      return .string(try padded(text, width, fill, name))
    case "find", "rfind", "index", "rindex", "count": return try search(name, text, arguments)
    default: return .bool(isOfClass(name, text))
    }
  }

  func strings(_ parts: [String]) throws -> Value {
    try budget.elements(parts.count)
    return try .list(parts.map(Value.string))
  }

  func join(_ parts: [String], by separator: String) throws -> String {
    try budget.text(parts.reduce(max(parts.count - 1, 0) * separator.utf8.count) { $0 + $1.utf8.count })
    return parts.joined(separator: separator)
  }

  func padded(_ text: String, _ width: Int, _ fill: String, _ method: String) throws -> String {
    let missing = width - text.unicodeScalars.count
    guard missing > 0 else { return text }
    try budget.text(text.utf8.count + missing)
    func fills(_ count: Int) -> String { String(repeating: fill, count: count) }
    switch method {
    case "ljust": return text + fills(missing)
    case "rjust": return fills(missing) + text
    case "center":
      // Python puts the odd character at the left when the width is odd.
      let left = missing / 2 + (missing & width & 1)
      return fills(left) + text + fills(missing - left)
    default:
      guard let sign = text.utf8.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") else {
        return fills(missing) + text
      }
      return String(text.unicodeScalars.prefix(1)) + fills(missing) + String(text.unicodeScalars.dropFirst())
    }
  }

  /// `find`, `index` and `count` with optional bounds, in code points.
  private func search(_ name: String, _ text: String, _ arguments: Arguments) throws -> Value {
    guard (1...3).contains(arguments.positional.count), arguments.keywords.isEmpty,
      case .string(let part) = arguments.positional[0]
    else { throw TemplateFailure("\(name) expects a string and perhaps bounds") }
    var start = 0
    var searched = text
    if arguments.positional.count > 1 {
      let count = text.unicodeScalars.count
      let bound = arguments.positional[1].integer ?? 0
      start = bound < 0 ? max(bound + count, 0) : bound
      guard start <= count else { return try absent(name) }
      guard
        case .string(let window) = try slice(
          .string(text), start: .integer(start), stop: arguments.positional.count > 2 ? arguments.positional[2] : nil,
          step: nil)
      else { preconditionFailure("a slice of text is text") }
      searched = window
    }
    if name == "count" { return .integer(PythonText.count(part, in: searched)) }
    let parts: [String]
    if part.isEmpty {
      parts = name.hasPrefix("r") ? [searched, ""] : ["", searched]
    } else {
      parts = PythonText.split(searched, by: part, limit: 1, fromRight: name.hasPrefix("r"))
    }
    guard parts.count == 2 else { return try absent(name) }
    return .integer(start + parts[0].unicodeScalars.count)
  }

  private func absent(_ name: String) throws -> Value {
    if name == "count" { return .integer(0) }
    guard name.hasSuffix("find") else { throw TemplateFailure("the text that \(name) looks for is not there") }
    return .integer(-1)
  }

  private func isOfClass(_ name: String, _ text: String) -> Bool {
    let scalars = text.unicodeScalars
    if scalars.isEmpty { return false }
    switch name {
    case "isspace": return scalars.allSatisfy(Whitespace.contains)
    case "isdecimal": return scalars.allSatisfy { $0.properties.numericType == .decimal }
    case "isdigit":
      return scalars.allSatisfy { $0.properties.numericType == .decimal || $0.properties.numericType == .digit }
    case "isnumeric": return scalars.allSatisfy { $0.properties.numericType != nil }
    case "isalpha": return scalars.allSatisfy(isLetter)
    case "isalnum": return scalars.allSatisfy { isLetter($0) || $0.properties.numericType != nil }
    case "isupper":
      return scalars.contains { $0.properties.isUppercase } && !scalars.contains { $0.properties.isLowercase }
    default:
      return scalars.contains { $0.properties.isLowercase } && !scalars.contains { $0.properties.isUppercase }
    }
  }

  private func isLetter(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: false
    }
  }
}
