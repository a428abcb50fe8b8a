/// `format.format(values)`: places by order, number or name, with attributes, items, conversions and specifications.
struct BraceFormat {
  private let arguments: Arguments
  private let interpreter: Interpreter
  /// The next place without a name; nil once places are numbered by hand, which excludes the two from each other.
  private var next: Int? = 0

  static func text(_ format: String, _ arguments: Arguments, _ interpreter: Interpreter) throws -> String {
    var formatter = BraceFormat(arguments: arguments, interpreter: interpreter)
    return try formatter.text(Array(format.unicodeScalars)[...], level: 2)
  }

  private init(arguments: Arguments, interpreter: Interpreter) {
    (self.arguments, self.interpreter) = (arguments, interpreter)
  }

  private mutating func text(_ format: ArraySlice<Unicode.Scalar>, level: Int) throws -> String {
    guard level > 0 else { throw TemplateFailure(.value, "places in a format are nested too deep") }
    var output = ""
    var rest = format
    while let scalar = rest.popFirst() {
      if scalar == "{" || scalar == "}", rest.first == scalar {
        rest.removeFirst()
        output.unicodeScalars.append(scalar)
      } else if scalar == "{" {
        var depth = 1
        let close = rest.firstIndex { scalar in
          depth += scalar == "{" ? 1 : scalar == "}" ? -1 : 0
          return depth == 0
        }
        guard let close else { throw TemplateFailure(.value, "a '{' in a format is not closed") }
        output += try place(rest[..<close], level: level)
        rest = rest[(close + 1)...]
        try interpreter.budget.text(output.utf8.count)
      } else if scalar == "}" {
        throw TemplateFailure(.value, "a '}' in a format closes nothing")
      } else {
        output.unicodeScalars.append(scalar)
      }
    }
    return output
  }

  private mutating func place(_ place: ArraySlice<Unicode.Scalar>, level: Int) throws -> String {
    let end = place.firstIndex { $0 == ":" || $0 == "!" } ?? place.endIndex
    var value = try self.value(place[..<end])
    var rest = place[end...]
    if rest.first == "!" {
      guard rest.count >= 2, rest.count == 2 || rest[rest.startIndex + 2] == ":" else {
        throw TemplateFailure(.value, "a conversion in a format is one letter")
      }
      switch rest[rest.startIndex + 1] {
      case "s": value = .string(try interpreter.text(value))
      case "r": value = .string(try interpreter.representation(value))
      case "a": value = .string(PythonText.escapingNonASCII(try interpreter.representation(value)))
      default: throw TemplateFailure(.value, "a conversion in a format is s, r or a")
      }
      rest = rest.dropFirst(2)
    }
    let specification = try text(rest.dropFirst(), level: level - 1 + (rest.isEmpty ? 1 : 0))
    return try Self.formatted(value, specification, interpreter)
  }

  /// What `name.attribute[item]` stands for.
  private mutating func value(_ path: ArraySlice<Unicode.Scalar>) throws -> Value {
    var rest = path
    func take(until stop: (Unicode.Scalar) -> Bool) -> String {
      let part = rest.prefix { !stop($0) }
      rest = rest.dropFirst(part.count)
      return String(String.UnicodeScalarView(part))
    }
    let name = take { $0 == "." || $0 == "[" }
    var value: Value
    if name.isEmpty || name.utf8.allSatisfy({ (48...57).contains($0) }) {
      if name.isEmpty != (next != nil), next != 0 {
        throw TemplateFailure(.value, "a format numbers some of its places, but not all")
      }
      guard let index = name.isEmpty ? next : Int(name), arguments.positional.indices.contains(index) else {
        throw TemplateFailure(.lookup, "a format has more places than values")
      }
      next = name.isEmpty ? index + 1 : nil
      value = arguments.positional[index]
    } else {
      guard let found = arguments.keywords.first(where: { $0.name.isIdentical(to: name) }) else {
        throw TemplateFailure(.lookup, "a format names '\(name)', which is not given")
      }
      value = found.value
    }
    while let mark = rest.popFirst() {
      if mark == "." {
        value = try interpreter.attribute(take { $0 == "." || $0 == "[" }, of: value)
      } else if mark == "[" {
        let index = take { $0 == "]" }
        guard rest.popFirst() != nil, !index.isEmpty else {
          throw TemplateFailure(.value, "a '[' in a format is not closed")
        }
        let isNumber = index.utf8.allSatisfy { (48...57).contains($0) }
        value = try interpreter.item(
          isNumber ? Int(index).map(Value.integer) ?? .string(index) : .string(index), of: value)
      } else {
        throw TemplateFailure(.value, "only '.' or '[' may follow ']' in a format")
      }
    }
    return value
  }

  /// `format(value, specification)`.
  private static func formatted(_ value: Value, _ text: String, _ interpreter: Interpreter) throws -> String {
    if text.isEmpty { return try interpreter.text(value) }
    let specification = try self.specification(text)
    switch value {
    case .string(let text): return try string(text, specification, interpreter)
    case .bool, .integer: return try integer(value.integer!, specification, interpreter)
    case .number(let number): return try self.number(number, specification, interpreter)
    default: throw TemplateFailure("\(value.kind) takes no specification in a format")
    }
  }

  private static func string(
    _ text: String, _ specification: FormatSpecification, _ interpreter: Interpreter
  ) throws -> String {
    guard specification.kind == nil || specification.kind == "s", specification.sign == nil, !specification.alternate,
      specification.grouping == nil, specification.alignment != "="
    else { throw TemplateFailure(.value, "a format's specification does not fit a string") }
    var specification = specification
    if specification.zero, specification.alignment == nil { specification.fill = "0" }
    let body = specification.precision.map { String(text.unicodeScalars.prefix($0)) } ?? text
    return try specification.padded(body, interpreter, byDefault: "<")
  }

  private static func integer(
    _ value: Int, _ specification: FormatSpecification, _ interpreter: Interpreter
  ) throws -> String {
    switch specification.kind {
    case "e", "E", "f", "F", "g", "G", "%": return try number(Double(value), specification, interpreter)
    default: break
    }
    guard specification.precision == nil else {
      throw TemplateFailure(.value, "an integer's format has no precision")
    }
    switch specification.kind {
    case nil, "d", "n", "x", "X", "o", "b":
      let kind = specification.kind ?? "d"
      guard specification.grouping == nil || kind == "d" || (specification.grouping == "_" && kind != "n") else {
        throw TemplateFailure(.value, "a format's specification does not fit an integer")
      }
      return try specification.integer(value, kind, interpreter)
    case "c":
      guard specification.sign == nil, !specification.alternate, specification.grouping == nil else {
        throw TemplateFailure(.value, "a format's specification does not fit a character")
      }
      guard let scalar = UInt32(exactly: value).flatMap(Unicode.Scalar.init) else {
        throw TemplateFailure(.bound, "a format expects the number of a character")
      }
      return try specification.padded(String(scalar), interpreter, byDefault: "<")
    default: throw TemplateFailure(.value, "a format's specification does not fit an integer")
    }
  }

  private static func number(
    _ value: Double, _ specification: FormatSpecification, _ interpreter: Interpreter
  ) throws -> String {
    let precision = specification.precision
    let alternate = specification.alternate
    let body: String
    switch specification.kind {
    case nil: body = precision.map { NumberText.general(value, $0) } ?? PythonText.number(value)
    case "n": body = NumberText.text(value, precision ?? 6, "g", alternate: alternate)
    case "%": body = NumberText.text(value * 100, precision ?? 6, "f", alternate: alternate) + "%"
    case let kind? where "eEfFgG".unicodeScalars.contains(kind):
      body = NumberText.text(value, precision ?? 6, kind, alternate: alternate)
    default: throw TemplateFailure(.value, "a format's specification does not fit a float")
    }
    return try specification.padded(signed: body, interpreter)
  }

  private static func specification(_ text: String) throws -> FormatSpecification {
    var rest = Array(text.unicodeScalars)[...]
    var result = FormatSpecification()
    let alignments: [Unicode.Scalar] = ["<", ">", "^", "="]
    if rest.count > 1, alignments.contains(rest[rest.startIndex + 1]) {
      (result.fill, result.alignment) = (rest.removeFirst(), rest.removeFirst())
    } else if let first = rest.first, alignments.contains(first) {
      result.alignment = rest.removeFirst()
    }
    func take(_ choices: String) -> Unicode.Scalar? {
      guard let first = rest.first, choices.unicodeScalars.contains(first) else { return nil }
      return rest.removeFirst()
    }
    result.sign = take("+- ")
    if result.sign == "-" { result.sign = nil }
    result.alternate = take("#") != nil
    if take("0") != nil {
      result.zero = true
      if result.alignment == "=" {
        result.fill = "0"
      } else if result.alignment != nil {
        result.fill = result.fill == " " ? "0" : result.fill
      }
    }
    result.width = try FormatSpecification.digits(&rest) ?? 0
    result.grouping = take(",_")
    if take(".") != nil {
      guard let precision = try FormatSpecification.digits(&rest) else {
        throw TemplateFailure(.value, "a format's precision is missing")
      }
      result.precision = precision
    }
    result.kind = rest.popFirst()
    guard rest.isEmpty else { throw TemplateFailure(.value, "a format has an unknown specification") }
    return result
  }
}
