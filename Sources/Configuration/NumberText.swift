/// Numbers as people write them: `5e-7`, `.5`, `1_000`, `1e3` where a whole number is asked for.
enum NumberText {
  /// nil for everything else, infinities and NaN included.
  static func number(_ text: String) -> Double? {
    let digits = text.replacing("_", with: "")
    // Swift would also read hexadecimal numbers, "inf" and "nan".
    let allowed = digits.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): true
      case UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): true
      default: false
      }
    }
    guard allowed, let value = Double(digits), value.isFinite else { return nil }
    return value
  }

  static func integer(_ text: String) -> Int? {
    if let value = Int(text.replacing("_", with: "")) { return value }
    return number(text).flatMap(Int.init(exactly:))
  }

  /// The shortest text that gives the same number back. It has a fraction, so that every YAML reader takes it
  /// for a number: `5.0e-7`.
  static func text(of value: Double) -> String {
    let plain = "\(value)"
    guard let mark = plain.firstIndex(of: "e") else { return plain }
    let mantissa = plain[..<mark]
    let exponent = plain[plain.index(after: mark)...]
    let sign = exponent.hasPrefix("-") ? "-" : "+"
    let digits = exponent.drop { $0 == "-" || $0 == "+" || $0 == "0" }
    return (mantissa.contains(".") ? String(mantissa) : mantissa + ".0") + "e" + sign + (digits.isEmpty ? "0" : digits)
  }
}
