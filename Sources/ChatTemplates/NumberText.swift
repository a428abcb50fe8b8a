import Glibc

/// Numbers as Python's formats write them.
enum NumberText {
  /// Digits after the point at most; more would only be zeros.
  static let maximumPrecision = 1_100

  /// C's rendering of a number, which rounds the exact binary value half to even as Python does.
  ///
  /// - Parameter kind: `f`, `e` or `g`, small or capital.
  static func text(_ value: Double, _ precision: Int, _ kind: Unicode.Scalar, alternate: Bool = false) -> String {
    if !value.isFinite {
      let word = value.isNaN ? "nan" : value < 0 ? "-inf" : "inf"
      return kind.properties.isUppercase ? word.uppercased() : word
    }
    let precision = min(precision, maximumPrecision)
    var buffer = [CChar](repeating: 0, count: 512 + precision)
    let count = withVaList([CInt(precision), value]) {
      vsnprintf(&buffer, buffer.count, (alternate ? "%#.*" : "%.*") + String(kind), $0)
    }
    return String(
      decoding: buffer[..<max(0, min(Int(count), buffer.count - 1))].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// A format with a precision but without a letter: as `g`, but with a digit after the point.
  static func general(_ value: Double, _ precision: Int) -> String {
    let precision = max(precision, 1)
    guard value.isFinite else { return text(value, precision, "g") }
    let scientific = text(value, precision - 1, "e")
    let exponent = scientific.firstIndex(of: "e").flatMap { Int(scientific[scientific.index(after: $0)...]) } ?? 0
    if exponent < -4 || exponent >= precision - 1 {
      guard let mark = scientific.firstIndex(of: "e") else { return scientific }
      var digits = scientific[..<mark]
      if digits.contains(".") {
        while digits.last == "0" { digits.removeLast() }
        if digits.last == "." { digits.removeLast() }
      }
      return String(digits + scientific[mark...])
    }
    let plain = text(value, precision, "g")
    return plain.contains(".") ? plain : plain + ".0"
  }

  /// Puts `separator` between every `size` digits of the whole part of `digits`.
  static func grouped(_ digits: String, by separator: String, size: Int = 3) -> String {
    var result = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % size == 0 { result += separator }
      result.append(digit)
    }
    return result
  }
}
