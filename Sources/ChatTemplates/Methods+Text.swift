extension Interpreter {
  func callText(_ name: String, _ text: String, _ arguments: Arguments) throws -> Value {
    func bind(_ names: String...) throws -> [Value?] {
      if !arguments.keywords.isEmpty, !Methods.withNames.contains(name) {
        throw TemplateFailure("\(name) takes no arguments by name")
      }
      return try arguments.bind(name, names)
    }
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
      guard !separator.isEmpty else { throw TemplateFailure(.value, "\(name) expects a separator that is not empty") }
      let parts = PythonText.split(text, by: separator, limit: limit, fromRight: name == "rsplit")
      return try strings(parts)
    case "splitlines":
      return try strings(PythonText.lines(text, keepingEnds: try bind("keepends")[0]?.isTrue ?? false))
    case "startswith", "endswith":
      let values = try bind("prefix", "start", "end")
      guard let value = values[0] else { throw TemplateFailure("\(name) expects a string or a tuple of strings") }
      let window = try self.window(text, values[1], values[2])
      var choices = [value]
      if case .tuple(let list) = value { choices = list.items }
      return .bool(
        try choices.contains { choice in
          let part = Array(try string(choice).utf8)
          guard let text = window?.text else { return false }
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
    case "expandtabs":
      let size = try integer(try bind("tabsize")[0], or: 8)
      return .string(try PythonText.expandingTabs(text, size) { try budget.text($0) })
    case "upper", "lower", "casefold", "title", "capitalize", "swapcase": return .string(try cased(text, name, bind()))
    case "format_map":
      guard case .mapping(let mapping)? = try bind("mapping")[0] else {
        throw TemplateFailure("format_map expects a mapping")
      }
      let members = mapping.entries.compactMap { entry in entry.key.string.map { (name: $0, value: entry.value) } }
      return .string(try BraceFormat.text(text, Arguments(keywords: members), self))
    case "join":
      guard let value = try bind("iterable")[0] else { throw TemplateFailure("join expects a list") }
      let parts = try elements(of: value).map { try string($0) }
      return .string(try join(parts, by: text))
    case "partition", "rpartition":
      let separator = try string(try bind("sep")[0])
      guard !separator.isEmpty else { throw TemplateFailure(.value, "\(name) expects a separator that is not empty") }
      let parts = PythonText.split(text, by: separator, limit: 1, fromRight: name == "rpartition")
      if parts.count == 2 { return try .tuple([.string(parts[0]), .string(separator), .string(parts[1])]) }
      return try .tuple(
        name == "partition" ? [.string(text), .string(""), .string("")] : [.string(""), .string(""), .string(text)])
    case "format": return .string(try BraceFormat.text(text, arguments, self))
    case "zfill", "ljust", "rjust", "center":
      let values = try name == "zfill" ? bind("width") + [nil] : bind("width", "fillchar")
      guard values[0] != nil else { throw TemplateFailure("\(name) expects a width") }
      let width = try integer(values[0], or: 0)
      let fill = try values[1].map { try string($0) } ?? (name == "zfill" ? "0" : " ")
      guard fill.unicodeScalars.count == 1 else { throw TemplateFailure("\(name) expects one character to fill with") }
      return .string(try padded(text, width, fill, name))
    case "find", "rfind", "index", "rindex", "count": return try search(name, text, arguments)
    default:
      _ = try bind()
      return .bool(isOfClass(name, text))
    }
  }

  private func cased(_ text: String, _ name: String, _: [Value?]) throws -> String {
    // A mapping of case may triple the text.
    try budget.text(text.utf8.count * 3)
    switch name {
    case "upper": return text.uppercased()
    case "lower": return PythonText.lowercased(text)
    case "casefold": return PythonText.caseFolded(text)
    case "title": return PythonText.titled(text)
    case "capitalize": return PythonText.capitalized(text)
    default:
      return text.unicodeScalars.reduce(into: "") {
        $0 += $1.properties.isUppercase ? $1.properties.lowercaseMapping : $1.properties.uppercaseMapping
      }
    }
  }

  /// The part of `text` that optional bounds leave, and where it starts; nil when they leave out even its end.
  private func window(_ text: String, _ start: Value?, _ stop: Value?) throws -> (start: Int, text: String)? {
    if start == nil, stop == nil { return (0, text) }
    func bound(_ value: Value?) throws -> Int? {
      switch value {
      case nil, .some(.none): return nil
      case let value?:
        guard let integer = value.integer else { throw TemplateFailure("a bound is an integer, not \(value.kind)") }
        return integer
      }
    }
    let count = text.unicodeScalars.count
    func place(_ bound: Int) -> Int { bound < 0 ? max(bound + count, 0) : bound }
    let first = place(try bound(start) ?? 0)
    let last = min(place(try bound(stop) ?? count), count)
    guard first <= last else { return nil }
    let scalars = text.unicodeScalars.dropFirst(first).prefix(last - first)
    return (first, String(scalars))
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
    guard width > 0 else { return text }
    let missing = width - text.unicodeScalars.count
    guard missing > 0 else { return text }
    try budget.text(width)
    try budget.text(text.utf8.count + missing * fill.utf8.count)
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
    let bounds = arguments.positional.dropFirst() + [.none, .none]
    guard let (start, searched) = try window(text, bounds[1], bounds[2]) else { return try absent(name) }
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
    guard name.hasSuffix("find") else { throw TemplateFailure(.value, "the text that \(name) looks for is not there") }
    return .integer(-1)
  }

  private func isOfClass(_ name: String, _ text: String) -> Bool {
    let scalars = text.unicodeScalars
    if scalars.isEmpty { return name == "isascii" || name == "isprintable" }
    switch name {
    case "isspace": return scalars.allSatisfy(Whitespace.contains)
    case "isdecimal": return scalars.allSatisfy { $0.properties.numericType == .decimal }
    case "isdigit":
      return scalars.allSatisfy { $0.properties.numericType == .decimal || $0.properties.numericType == .digit }
    case "isnumeric": return scalars.allSatisfy { $0.properties.numericType != nil }
    case "isalpha": return scalars.allSatisfy(PythonText.isLetter)
    case "isalnum": return scalars.allSatisfy { PythonText.isLetter($0) || $0.properties.numericType != nil }
    case "isascii": return scalars.allSatisfy(\.isASCII)
    case "isprintable": return scalars.allSatisfy(PythonText.isPrintable)
    case "isidentifier":
      return scalars.enumerated().allSatisfy { offset, scalar in
        scalar == "_" || (offset == 0 ? scalar.properties.isXIDStart : scalar.properties.isXIDContinue)
      }
    case "istitle":
      var afterCased = false
      var hasCased = false
      for scalar in scalars {
        let isCapital = scalar.properties.isUppercase || scalar.properties.generalCategory == .titlecaseLetter
        if isCapital ? afterCased : scalar.properties.isLowercase && !afterCased { return false }
        afterCased = isCapital || scalar.properties.isLowercase
        hasCased = hasCased || afterCased
      }
      return hasCased
    case "isupper":
      return scalars.contains { $0.properties.isUppercase } && !scalars.contains { $0.properties.isLowercase }
    default:
      return scalars.contains { $0.properties.isLowercase } && !scalars.contains { $0.properties.isUppercase }
    }
  }
}
