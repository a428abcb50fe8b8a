/// `format % values`, as Python's `printf`-style formatting has it.
struct PercentFormat {
  private let interpreter: Interpreter
  private var values: ArraySlice<Value>
  private let mapping: Mapping?
  private var rest: ArraySlice<Unicode.Scalar>
  private var output = ""

  /// - Parameter right: what stands at the right of `%`: a tuple of values, a mapping, or one value.
  static func text(_ format: String, _ right: Value, _ interpreter: Interpreter) throws -> String {
    var formatter = PercentFormat(format, right, interpreter)
    try formatter.run()
    // A value that could be a mapping may stay unused.
    let mayRemain =
      switch right {
      case .mapping, .list, .view, .undefined, .refused: true
      default: false
      }
    guard formatter.values.isEmpty || mayRemain else {
      throw TemplateFailure("a format has fewer places than values")
    }
    return formatter.output
  }

  private init(_ format: String, _ right: Value, _ interpreter: Interpreter) {
    self.interpreter = interpreter
    rest = Array(format.unicodeScalars)[...]
    if case .tuple(let list) = right { values = list.items[...] } else { values = [right] }
    if case .mapping(let mapping) = right { self.mapping = mapping } else { mapping = nil }
  }

  private mutating func run() throws {
    while let scalar = rest.popFirst() {
      if scalar != "%" {
        output.unicodeScalars.append(scalar)
      } else {
        try place()
        try interpreter.budget.text(output.utf8.count)
      }
    }
  }

  private mutating func nextValue() throws -> Value {
    guard let value = values.popFirst() else { throw TemplateFailure("a format has more places than values") }
    return value
  }

  private mutating func place() throws {
    var specification = FormatSpecification()
    var named: Value?
    if rest.first == "(" {
      guard let mapping else { throw TemplateFailure("a format with names expects a mapping") }
      var level = 0
      let close = rest.firstIndex { scalar in
        level += scalar == "(" ? 1 : scalar == ")" ? -1 : 0
        return level == 0
      }
      guard let close else { throw TemplateFailure(.value, "a name in a format is not closed") }
      let name = String(String.UnicodeScalarView(rest[(rest.startIndex + 1)..<close]))
      guard let value = mapping.value(name) else {
        throw TemplateFailure(.lookup, "a format names '\(name)', which is not given")
      }
      named = value
      values = []
      rest = rest[(close + 1)...]
    }
    flags: while let flag = rest.first {
      switch flag {
      case "-": specification.alignment = "<"
      case "+": specification.sign = "+"
      case " ": if specification.sign == nil { specification.sign = " " }
      case "0": specification.zero = true
      case "#": specification.alternate = true
      default: break flags
      }
      rest.removeFirst()
    }
    if let width = try number() {
      specification.width = try FormatSpecification.bounded(Int(width.magnitude))
      if width < 0 { specification.alignment = "<" }
    }
    if rest.first == "." {
      rest.removeFirst()
      specification.precision = max(try number() ?? 0, 0)
    }
    if let length = rest.first, "hlL".unicodeScalars.contains(length) { rest.removeFirst() }
    guard let kind = rest.popFirst() else { throw TemplateFailure(.value, "a format ends after '%'") }
    if kind == "%" {
      output += "%"
      return
    }
    let value = try named ?? nextValue()
    output += try text(value, kind, specification)
  }

  /// Digits, or `*` for the next value.
  private mutating func number() throws -> Int? {
    if rest.first == "*" {
      rest.removeFirst()
      guard let value = try nextValue().integer else { throw TemplateFailure("'*' in a format expects an integer") }
      _ = try FormatSpecification.bounded(Int(clamping: value.magnitude))
      return value
    }
    return try FormatSpecification.digits(&rest)
  }

  private func text(_ value: Value, _ kind: Unicode.Scalar, _ specification: FormatSpecification) throws -> String {
    var specification = specification
    switch kind {
    case "s", "r", "a":
      var body = kind == "s" ? try interpreter.text(value) : try interpreter.representation(value)
      if kind == "a" { body = PythonText.escapingNonASCII(body) }
      if let precision = specification.precision { body = String(body.unicodeScalars.prefix(precision)) }
      (specification.zero, specification.sign) = (false, nil)
      return try specification.padded(body, interpreter, byDefault: ">")
    case "c":
      let scalar: Unicode.Scalar
      if let integer = value.integer {
        guard let found = UInt32(exactly: integer).flatMap(Unicode.Scalar.init) else {
          throw TemplateFailure(.bound, "a format expects the number of a character")
        }
        scalar = found
      } else {
        guard let text = value.string, text.unicodeScalars.count == 1 else {
          throw TemplateFailure("a format expects one character, found \(value.kind)")
        }
        scalar = text.unicodeScalars.first!
      }
      return try specification.padded(String(scalar), interpreter, byDefault: ">")
    case "d", "i", "u", "x", "X", "o":
      let needsInteger = "xXo".unicodeScalars.contains(kind)
      if !needsInteger, let absence = value.absence { throw absence }
      var integer = value.integer
      if !needsInteger, integer == nil, let number = value.double {
        guard number.isFinite else {
          throw TemplateFailure(number.isNaN ? .value : .bound, "a format expects a finite number")
        }
        integer = Int(exactly: number.rounded(.towardZero))
        guard integer != nil else { throw TemplateFailure(.bound, "the number does not fit 64 bits") }
      }
      guard let integer else { throw TemplateFailure("a format expects an integer, found \(value.kind)") }
      return try specification.integer(integer, kind, interpreter, octalPrefix: true)
    case "f", "F", "e", "E", "g", "G":
      if let absence = value.absence { throw absence }
      guard let number = value.double else { throw TemplateFailure("a format expects a number, found \(value.kind)") }
      let body = NumberText.text(number, specification.precision ?? 6, kind, alternate: specification.alternate)
      return try specification.padded(signed: body, interpreter)
    default: throw TemplateFailure(.value, "unknown format character '\(kind)'")
    }
  }
}
