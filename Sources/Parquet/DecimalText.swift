import OrderedJSON

/// Decimal numbers: a whole number of any size and the count of its digits behind the point.
enum DecimalText {
  /// Bytes of the largest whole number that is read; decimals of 76 digits have 32.
  private static let maximumByteCount = 128

  static func value(_ whole: Int, scale: Int) -> JSONValue {
    if scale == 0 { return .integer(whole) }
    return .number(nearest(digits: String(whole.magnitude), isNegative: whole < 0, scale: scale))
  }

  /// - Parameter bytes: two's complement, the highest byte first.
  static func value(bigEndian bytes: UnsafeRawBufferPointer, scale: Int) throws -> JSONValue {
    guard !bytes.isEmpty, bytes.count <= maximumByteCount else {
      throw Damage("a decimal has \(bytes.count) bytes, expected 1 to \(maximumByteCount)")
    }
    if bytes.count <= 8 {
      let start = bytes[0] >= 0x80 ? -1 : 0
      return value(bytes.reduce(start) { $0 << 8 | Int($1) }, scale: scale)
    }
    let isNegative = bytes[0] >= 0x80
    var magnitude = bytes.map { isNegative ? ~$0 : $0 }
    if isNegative {
      for index in magnitude.indices.reversed() {
        magnitude[index] &+= 1
        if magnitude[index] != 0 { break }
      }
    }
    let digits = decimalDigits(magnitude)
    if scale == 0, let whole = Int((isNegative ? "-" : "") + digits) { return .integer(whole) }
    return .number(nearest(digits: digits, isNegative: isNegative, scale: scale))
  }

  private static func nearest(digits: String, isNegative: Bool, scale: Int) -> Double {
    Double("\(isNegative ? "-" : "")\(digits)e-\(scale)")!
  }

  /// Long division by 10⁹, nine digits at a time.
  private static func decimalDigits(_ magnitude: [UInt8]) -> String {
    var rest = magnitude
    var parts: [String] = []
    while rest.contains(where: { $0 != 0 }) {
      var remainder = 0
      for index in rest.indices {
        let part = remainder << 8 | Int(rest[index])
        rest[index] = UInt8(part / 1_000_000_000)
        remainder = part % 1_000_000_000
      }
      let text = String(remainder)
      parts.append(String(repeating: "0", count: 9 - text.count) + text)
    }
    let digits = parts.reversed().joined().drop { $0 == "0" }
    return digits.isEmpty ? "0" : String(digits)
  }
}
