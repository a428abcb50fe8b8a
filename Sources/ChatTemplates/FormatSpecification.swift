/// Width, precision and flags of one formatted value.
struct FormatSpecification {
  var fill: Unicode.Scalar = " "
  var alignment: Unicode.Scalar?
  var sign: Unicode.Scalar?
  var zero = false
  var alternate = false
  var width = 0
  var grouping: Unicode.Scalar?
  var precision: Int?
  var kind: Unicode.Scalar?

  static let maximumWidth = 9_999

  static func bounded(_ width: Int) throws -> Int {
    guard width <= maximumWidth else { throw TemplateFailure(.bound, "a width in a format is too large") }
    return width
  }

  /// Takes digits from the front; refuses widths that only a hostile template asks for.
  static func digits(_ scalars: inout ArraySlice<Unicode.Scalar>) throws -> Int? {
    let digits = scalars.prefix { ("0"..."9").contains($0) }
    guard digits.count <= 4 else { throw TemplateFailure(.bound, "a width in a format is too large") }
    scalars = scalars.dropFirst(digits.count)
    return Int(String(String.UnicodeScalarView(digits)))
  }

  func padded(_ body: String, _ interpreter: Interpreter, byDefault fallback: Unicode.Scalar) throws -> String {
    let fill = String(fill)
    switch alignment ?? fallback {
    case "<": return try interpreter.padded(body, width, fill, "ljust")
    case "^":
      let missing = max(width - body.unicodeScalars.count, 0)
      return try interpreter.padded(
        interpreter.padded(body, width - missing + missing / 2, fill, "rjust"), width, fill, "ljust")
    default: return try interpreter.padded(body, width, fill, "rjust")
    }
  }

  /// A number's text with its sign, its groups and its filling.
  ///
  /// - Parameter prefix: what stands between sign and digits: `0x` and its like.
  func padded(signed body: String, _ interpreter: Interpreter, prefix: String = "", groupSize: Int = 3) throws -> String
  {
    var digits = body
    var front = ""
    if digits.hasPrefix("-") { front = String(digits.removeFirst()) } else if let sign { front = String(sign) }
    front += prefix
    let fillsWithZeros = zero && (alignment == nil || (alignment == "=" && fill == "0"))
    if let grouping {
      let isDigit: (Character) -> Bool = groupSize == 3 ? { $0.isNumber } : { $0.isHexDigit }
      var whole = String(digits.prefix(while: isDigit))
      let rest = digits.dropFirst(whole.count)
      func text() -> String { NumberText.grouped(whole, by: String(grouping), size: groupSize) + rest }
      digits = text()
      while fillsWithZeros, !whole.isEmpty, front.count + digits.count < width {
        whole = "0" + whole
        digits = text()
      }
    }
    if fillsWithZeros || alignment == "=" {
      let missing = width - front.unicodeScalars.count - digits.unicodeScalars.count
      guard missing > 0 else { return front + digits }
      try interpreter.budget.text(width * 4)
      return front + String(repeating: fillsWithZeros ? "0" : String(fill), count: missing) + digits
    }
    return try padded(front + digits, interpreter, byDefault: ">")
  }

  func integer(
    _ value: Int, _ kind: Unicode.Scalar, _ interpreter: Interpreter, octalPrefix: Bool = false
  ) throws -> String {
    let radix =
      switch kind {
      case "x", "X": 16
      case "o": 8
      case "b": 2
      default: 10
      }
    var digits = String(value.magnitude, radix: radix, uppercase: kind == "X")
    if octalPrefix, let precision, precision > digits.count {
      let count = try Self.bounded(precision) - digits.count
      digits = String(repeating: "0", count: count) + digits
    }
    let prefix = alternate && radix != 10 ? "0" + String(kind) : ""
    return try padded(
      signed: (value < 0 ? "-" : "") + digits, interpreter, prefix: prefix, groupSize: radix == 10 ? 3 : 4)
  }
}
