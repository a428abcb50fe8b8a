import Glibc

/// Numbers as reports show them.
package enum NumberFormat {
  /// With a fixed number of decimals: `0.6931`.
  package static func fixed(_ value: Double, decimals: Int) -> String {
    printed("%.*f", decimals, value)
  }

  /// With a sign, for differences: `+0.0124`.
  package static func signed(_ value: Double, decimals: Int) -> String {
    printed("%+.*f", decimals, value)
  }

  /// With so many significant digits, by a power of ten where that is shorter: `5e-07`, `0.1235`.
  package static func significant(_ value: Double, digits: Int = 4) -> String {
    printed("%.*g", digits, value)
  }

  /// With commas: `1,234,567`.
  package static func count(_ value: Int) -> String {
    let digits = String(value.magnitude)
    var text = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { text += "," }
      text.append(digit)
    }
    return value < 0 ? "-" + text : text
  }

  /// Bytes in powers of 1024: `512 B`, `1.50 GiB`.
  package static func bytes(_ value: Int) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"]
    var size = Double(value)
    var unit = 0
    while abs(size) >= 1024, unit < units.count - 1 {
      size /= 1024
      unit += 1
    }
    return unit == 0 ? "\(value) B" : "\(fixed(size, decimals: size < 10 ? 2 : size < 100 ? 1 : 0)) \(units[unit])"
  }

  /// Seconds: `4.2 s` below a minute, `1:05` below an hour, else `2:03:04`.
  package static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e9 else { return "?" }
    if seconds < 59.95 { return fixed(seconds, decimals: 1) + " s" }
    let whole = Int(seconds.rounded())
    let two = { (value: Int) in value < 10 ? "0\(value)" : "\(value)" }
    if whole < 3600 { return "\(whole / 60):\(two(whole % 60))" }
    return "\(whole / 3600):\(two(whole / 60 % 60)):\(two(whole % 60))"
  }

  private static func printed(_ format: String, _ precision: Int, _ value: Double) -> String {
    guard value.isFinite else { return value.isNaN ? "nan" : value < 0 ? "-inf" : "inf" }
    // A double has at most 309 digits before the point.
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 400) { buffer in
      let count = withVaList([Int32(min(max(precision, 0), 40)), value]) {
        vsnprintf(buffer.baseAddress, buffer.count, format, $0)
      }
      precondition(count >= 0 && count < buffer.count, "a number did not fit its text")
      return String(cString: buffer.baseAddress!)
    }
  }
}
