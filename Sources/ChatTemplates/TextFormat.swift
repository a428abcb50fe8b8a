import Glibc

/// Width, precision and flags of one formatted value.
struct FormatSpecification {
  var fill: Unicode.Scalar = " "
  var alignment: Unicode.Scalar?
  var sign = false
  var zero = false
  var width = 0
  var precision: Int?
  var kind: Unicode.Scalar?

  /// Reads digits; refuses widths that only a hostile template asks for.
  static func digits(_ scalars: ArraySlice<Unicode.Scalar>) throws -> (value: Int?, rest: ArraySlice<Unicode.Scalar>) {
    let digits = scalars.prefix { ("0"..."9").contains($0) }
    guard digits.count <= 4 else { throw TemplateFailure("a width in a format is too large") }
    return (Int(String(String.UnicodeScalarView(digits))), scalars.dropFirst(digits.count))
  }

  func text(_ value: Value, _ interpreter: Interpreter) throws -> String {
    var body: String
    var isNumber = true
    switch kind {
    case "d", "i", "u":
      guard let integer = value.integer ?? value.double.flatMap({ Int(exactly: $0.rounded(.towardZero)) }) else {
        throw TemplateFailure("a format expects an integer, found \(value.kind)")
      }
      body = String(integer)
    case "x", "X", "o":
      guard let integer = value.integer else {
        throw TemplateFailure("a format expects an integer, found \(value.kind)")
      }
      body = String(integer, radix: kind == "o" ? 8 : 16, uppercase: kind == "X")
    case "f", "F", "e", "E", "g", "G":
      guard let number = value.double else { throw TemplateFailure("a format expects a number, found \(value.kind)") }
      body = Self.number(number, precision ?? 6, kind!)
    case nil, "s", "r":
      body = kind == "r" ? try interpreter.representation(value) : try interpreter.text(value)
      if let precision, value.double == nil { body = String(body.unicodeScalars.prefix(precision)) }
      isNumber = kind == nil && value.double != nil
    case let kind?: throw TemplateFailure("unknown format character '\(kind)'")
    }
    if sign, isNumber, !body.hasPrefix("-") { body = "+" + body }
    switch alignment ?? (isNumber ? ">" : "<") {
    case "<": return try interpreter.padded(body, width, String(fill), "ljust")
    case "^":
      let missing = max(width - body.unicodeScalars.count, 0)
      return try interpreter.padded(
        interpreter.padded(body, width - missing + missing / 2, String(fill), "rjust"), width, String(fill), "ljust")
    default:
      if zero, isNumber { return try interpreter.padded(body, width, "0", "zfill") }
      return try interpreter.padded(body, width, String(fill), "rjust")
    }
  }

  /// C's rendering of a number, which rounds the exact binary value half to even as Python does.
  static func number(_ value: Double, _ precision: Int, _ kind: Unicode.Scalar) -> String {
    var buffer = [CChar](repeating: 0, count: 512 + precision)
    let count = withVaList([CInt(clamping: precision), value]) { vsnprintf(&buffer, buffer.count, "%.*\(kind)", $0) }
    return String(
      decoding: buffer[..<max(0, min(Int(count), buffer.count - 1))].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// `format % values`.
enum PercentFormat {
  static func text(_ format: String, _ arguments: Arguments, _ interpreter: Interpreter) throws -> String {
    var output = ""
    var values = arguments.positional[...]
    var rest = Array(format.unicodeScalars)[...]
    while let scalar = rest.popFirst() {
      guard scalar == "%" else {
        output.unicodeScalars.append(scalar)
        continue
      }
      var specification = FormatSpecification()
      var name: String?
      if rest.first == "(", let close = rest.firstIndex(of: ")") {
        name = String(String.UnicodeScalarView(rest[rest.startIndex + 1..<close]))
        rest = rest[(close + 1)...]
      }
      flags: while let flag = rest.first {
        switch flag {
        case "-": specification.alignment = "<"
        case "+": specification.sign = true
        case "0": specification.zero = true
        case " ", "#": break
        default: break flags
        }
        rest.removeFirst()
      }
      let width = try FormatSpecification.digits(rest)
      (specification.width, rest) = (width.value ?? 0, width.rest)
      if rest.first == "." {
        let precision = try FormatSpecification.digits(rest.dropFirst())
        (specification.precision, rest) = (precision.value ?? 0, precision.rest)
      }
      guard let kind = rest.popFirst() else { throw TemplateFailure("a format ends after '%'") }
      if kind == "%" {
        output += "%"
        continue
      }
      specification.kind = kind
      if specification.alignment == nil { specification.alignment = ">" }
      let value =
        name.map { name in arguments.keywords.first { $0.name.isIdentical(to: name) }?.value } ?? values.popFirst()
      guard let value else { throw TemplateFailure("a format has more places than values") }
      output += try specification.text(value, interpreter)
      try interpreter.budget.text(output.utf8.count)
    }
    guard values.isEmpty || !arguments.keywords.isEmpty else {
      throw TemplateFailure("a format has fewer places than values")
    }
    return output
  }
}

/// `format.format(values)`: places by order, number or name, with attributes left out.
enum BraceFormat {
  static func text(_ format: String, _ arguments: Arguments, _ interpreter: Interpreter) throws -> String {
    var output = ""
    var next = 0
    var rest = Array(format.unicodeScalars)[...]
    while let scalar = rest.popFirst() {
      if scalar == "{" || scalar == "}", rest.first == scalar {
        rest.removeFirst()
        output.unicodeScalars.append(scalar)
      } else if scalar == "{" {
        guard let close = rest.firstIndex(of: "}") else { throw TemplateFailure("a '{' in a format is not closed") }
        let field = rest[..<close]
        rest = rest[(close + 1)...]
        output += try self.field(field, arguments, &next, interpreter)
        try interpreter.budget.text(output.utf8.count)
      } else if scalar == "}" {
        throw TemplateFailure("a '}' in a format closes nothing")
      } else {
        output.unicodeScalars.append(scalar)
      }
    }
    return output
  }

  private static func field(
    _ field: ArraySlice<Unicode.Scalar>, _ arguments: Arguments, _ next: inout Int, _ interpreter: Interpreter
  ) throws -> String {
    let colon = field.firstIndex(of: ":") ?? field.endIndex
    let name = String(String.UnicodeScalarView(field[..<colon]))
    var value: Value?
    if name.isEmpty || Int(name) != nil {
      let index = Int(name) ?? next
      if name.isEmpty { next += 1 }
      value = arguments.positional.indices.contains(index) ? arguments.positional[index] : nil
    } else {
      value = arguments.keywords.first { $0.name.isIdentical(to: name) }?.value
    }
    guard let value else { throw TemplateFailure("a format names '\(name)', which is not given") }
    return try specification(field[colon...].dropFirst()).text(value, interpreter)
  }

  private static func specification(_ text: ArraySlice<Unicode.Scalar>) throws -> FormatSpecification {
    var rest = text
    var result = FormatSpecification()
    let alignments: [Unicode.Scalar] = ["<", ">", "^"]
    if rest.count > 1, alignments.contains(rest[rest.startIndex + 1]) {
      (result.fill, result.alignment) = (rest.removeFirst(), rest.removeFirst())
    } else if let first = rest.first, alignments.contains(first) {
      result.alignment = rest.removeFirst()
    }
    if rest.first == "+" { (result.sign, rest) = (true, rest.dropFirst()) }
    if rest.first == "0" { (result.zero, rest) = (true, rest.dropFirst()) }
    let width = try FormatSpecification.digits(rest)
    (result.width, rest) = (width.value ?? 0, width.rest)
    if rest.first == "." {
      let precision = try FormatSpecification.digits(rest.dropFirst())
      (result.precision, rest) = (precision.value, precision.rest)
    }
    result.kind = rest.popFirst()
    guard rest.isEmpty else { throw TemplateFailure("a format has an unknown specification") }
    return result
  }
}
