import Glibc

/// Functions on text that count and compare as Python does: by code points, without normalisation.
enum PythonText {
  typealias Bytes = UnsafeBufferPointer<UInt8>

  static func withBytes<Result>(_ text: String, _ body: (Bytes) throws -> Result) rethrows -> Result {
    var text = text
    return try text.withUTF8(body)
  }

  private static func string(_ bytes: Bytes, _ range: Range<Int>) -> String {
    String(decoding: UnsafeBufferPointer(rebasing: bytes[range]), as: UTF8.self)
  }

  /// `text.strip()`, `lstrip()` and `rstrip()`; `characters` nil stands for whitespace.
  static func stripped(_ text: String, characters: String? = nil, left: Bool = true, right: Bool = true) -> String {
    if let characters { return stripped(text, of: Array(characters.unicodeScalars), left: left, right: right) }
    return withBytes(text) { bytes in
      let start = left ? Whitespace.end(after: 0, in: bytes) : 0
      let end = right ? Whitespace.start(before: bytes.count, in: bytes, notBefore: start) : bytes.count
      return start == 0 && end == bytes.count ? text : string(bytes, start..<end)
    }
  }

  private static func stripped(_ text: String, of set: [Unicode.Scalar], left: Bool, right: Bool) -> String {
    var part = text.unicodeScalars[...]
    if left { part = part.drop { set.contains($0) } }
    while right, let last = part.last, set.contains(last) { part.removeLast() }
    return String(String.UnicodeScalarView(part))
  }

  /// Byte offset of the first `part` in `text` from `start` on.
  static func find(_ part: String, in text: String) -> Int? {
    withBytes(part) { part in withBytes(text) { find(part, in: $0, from: 0) } }
  }

  static func find(_ part: Bytes, in bytes: Bytes, from start: Int) -> Int? {
    guard let base = bytes.baseAddress, let needle = part.baseAddress, !part.isEmpty else {
      return start <= bytes.count ? start : nil
    }
    var index = start
    while index + part.count <= bytes.count,
      let found = memchr(base + index, Int32(part[0]), bytes.count - part.count - index + 1)
    {
      index = UnsafeRawPointer(found) - UnsafeRawPointer(base)
      if memcmp(base + index, needle, part.count) == 0 { return index }
      index += 1
    }
    return nil
  }

  /// Byte offsets at which `separator` stands, without overlap.
  private static func places(of separator: Bytes, in bytes: Bytes, limit: Int = .max) -> [Int] {
    var places: [Int] = []
    var start = 0
    while places.count < limit, let found = find(separator, in: bytes, from: start) {
      places.append(found)
      start = found + separator.count
    }
    return places
  }

  static func count(_ part: String, in text: String) -> Int {
    if part.isEmpty { return text.unicodeScalars.count + 1 }
    return withBytes(part) { part in withBytes(text) { places(of: part, in: $0).count } }
  }

  /// `text.split(separator, limit)`; `limit` below 0 stands for none.
  static func split(_ text: String, by separator: String, limit: Int, fromRight: Bool = false) -> [String] {
    withBytes(separator) { separator in
      withBytes(text) { bytes in
        var places: [Int] = []
        if fromRight, limit >= 0 {
          // The rightmost separators, found from the right: overlapping ones resolve differently there.
          var end = bytes.count - separator.count
          while end >= 0, places.count < limit {
            if bytes[end..<end + separator.count].elementsEqual(separator) {
              places.insert(end, at: 0)
              end -= separator.count
            } else {
              end -= 1
            }
          }
        } else {
          places = self.places(of: separator, in: bytes, limit: limit < 0 ? .max : limit)
        }
        var start = 0
        var parts = places.map { place in
          defer { start = place + separator.count }
          return string(bytes, start..<place)
        }
        parts.append(string(bytes, start..<bytes.count))
        return parts
      }
    }
  }

  /// `text.split()`: at runs of whitespace.
  static func words(_ text: String, limit: Int, fromRight: Bool = false) -> [String] {
    let scalars = Array(text.unicodeScalars)
    var parts: [String] = []
    func make(_ range: Range<Int>) -> String { String(String.UnicodeScalarView(scalars[range])) }
    if fromRight, limit >= 0 {
      var end = scalars.count
      while true {
        while end > 0, Whitespace.contains(scalars[end - 1]) { end -= 1 }
        if end == 0 { break }
        if parts.count == limit {
          parts.append(make(0..<end))
          break
        }
        var start = end
        while start > 0, !Whitespace.contains(scalars[start - 1]) { start -= 1 }
        parts.append(make(start..<end))
        end = start
      }
      return parts.reversed()
    }
    var start = 0
    while true {
      while start < scalars.count, Whitespace.contains(scalars[start]) { start += 1 }
      if start == scalars.count { break }
      if limit >= 0, parts.count == limit {
        parts.append(make(start..<scalars.count))
        break
      }
      var end = start
      while end < scalars.count, !Whitespace.contains(scalars[end]) { end += 1 }
      parts.append(make(start..<end))
      start = end
    }
    return parts
  }

  /// `text.splitlines()`: at every line boundary of Unicode that Python knows.
  static func lines(_ text: String, keepingEnds: Bool = false) -> [String] {
    var lines: [String] = []
    var line = String.UnicodeScalarView()
    let scalars = Array(text.unicodeScalars)
    var index = 0
    while index < scalars.count {
      let scalar = scalars[index]
      index += 1
      switch scalar.value {
      case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029:
        if keepingEnds { line.append(scalar) }
        if scalar == "\r", index < scalars.count, scalars[index] == "\n" {
          if keepingEnds { line.append("\n") }
          index += 1
        }
        lines.append(String(line))
        line = .init()
      default: line.append(scalar)
      }
    }
    if !line.isEmpty { lines.append(String(line)) }
    return lines
  }

  /// `text.replace(old, new, limit)`; a limit below 0 stands for none. Bytes made are announced to `budget` first.
  static func replaced(
    _ text: String, _ old: String, with new: String, limit: Int, budget: (Int) throws -> Void
  ) throws -> String {
    if old.isEmpty {
      var result = ""
      var left = limit < 0 ? Int.max : limit
      let count = text.unicodeScalars.count + 1
      try budget(text.utf8.count + min(count, left) * new.utf8.count)
      for scalar in text.unicodeScalars {
        if left > 0 { result += new }
        left -= 1
        result.unicodeScalars.append(scalar)
      }
      return left > 0 ? result + new : result
    }
    let parts = split(text, by: old, limit: limit)
    if parts.count == 1 { return text }
    try budget(text.utf8.count + (parts.count - 1) * new.utf8.count)
    return parts.joined(separator: new)
  }

  /// A number as Python's `repr` writes it: shortest digits, an exponent below 1e-4 and from 1e16 on.
  static func number(_ value: Double) -> String {
    if value.isNaN { return "nan" }
    if value.isInfinite { return value < 0 ? "-inf" : "inf" }
    let text = value.description
    let magnitude = value.magnitude
    guard magnitude >= 1e15, magnitude < 1e16 else { return text }
    // In this range the shortest digits may come with an exponent.
    guard let mark = text.utf8.firstIndex(of: UInt8(ascii: "e")) else { return text }
    let digits = text[..<mark].filter { $0 != "." && $0 != "-" }
    let padded = digits + String(repeating: "0", count: max(0, 16 - digits.count))
    return (value < 0 ? "-" : "") + padded.prefix(16) + "." + (padded.count > 16 ? String(padded.dropFirst(16)) : "0")
  }

  /// `int(text, base)`; nil when it is none. A base of 0 reads the base from the prefix.
  ///
  /// - Throws: ``TemplateFailure`` for an integer of more than 64 bits.
  static func integer(_ text: String, base: Int) throws -> Int? {
    var digits = Array(stripped(text).utf8)[...]
    var isNegative = false
    if let sign = digits.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
      isNegative = digits.removeFirst() == UInt8(ascii: "-")
    }
    guard base == 0 || (2...36).contains(base) else { return nil }
    var radix = base
    if digits.count > 2, digits.first == UInt8(ascii: "0") {
      let letters: [UInt8: Int] = [UInt8(ascii: "b"): 2, UInt8(ascii: "o"): 8, UInt8(ascii: "x"): 16]
      if let named = letters[digits[digits.startIndex + 1] | 0x20], base == 0 || base == named {
        radix = named
        digits = digits.dropFirst(2)
        if digits.first == UInt8(ascii: "_") { digits = digits.dropFirst() }
      }
    }
    if radix == 0 {
      radix = 10
      // As in source code, only zero itself may start with 0.
      if digits.first == UInt8(ascii: "0"),
        digits.contains(where: { $0 != UInt8(ascii: "0") && $0 != UInt8(ascii: "_") })
      {
        return nil
      }
    }
    var value = 0
    var overflows = false
    var afterDigit = false
    for byte in digits {
      if byte == UInt8(ascii: "_") {
        guard afterDigit else { return nil }
        afterDigit = false
        continue
      }
      let digit: Int
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = Int(byte) - 48
      case UInt8(ascii: "a")...UInt8(ascii: "z"): digit = Int(byte) - 87
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit = Int(byte) - 55
      default: return nil
      }
      guard digit < radix else { return nil }
      afterDigit = true
      let product = value.multipliedReportingOverflow(by: radix)
      let sum = product.partialValue.subtractingReportingOverflow(digit)
      overflows = overflows || product.overflow || sum.overflow
      value = sum.partialValue
    }
    guard afterDigit else { return nil }
    guard !overflows, isNegative || value != .min else {
      throw TemplateFailure(.bound, "the integer does not fit 64 bits")
    }
    return isNegative ? value : -value
  }

  static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: false
    }
  }

  static func hexadecimal(_ value: UInt32, _ digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
  }

  /// Text in quotes, as Python's `repr` writes it.
  static func quoted(_ text: String) -> String {
    let quote: Unicode.Scalar =
      text.unicodeScalars.contains("'") && !text.unicodeScalars.contains("\"") ? "\"" : "'"
    var result = String(quote)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case quote: result += "\\" + String(quote)
      case _ where isPrintable(scalar): result.unicodeScalars.append(scalar)
      case _ where scalar.value <= 0xFF: result += "\\x" + hexadecimal(scalar.value, 2)
      case _ where scalar.value <= 0xFFFF: result += "\\u" + hexadecimal(scalar.value, 4)
      default: result += "\\U" + hexadecimal(scalar.value, 8)
      }
    }
    return result + String(quote)
  }

  /// Text as Python's `ascii` leaves it: everything beyond ASCII as an escape.
  static func escapingNonASCII(_ text: String) -> String {
    text.unicodeScalars.reduce(into: "") { result, scalar in
      switch scalar.value {
      case ..<0x80: result.unicodeScalars.append(scalar)
      case ..<0x100: result += "\\x" + hexadecimal(scalar.value, 2)
      case ..<0x10000: result += "\\u" + hexadecimal(scalar.value, 4)
      default: result += "\\U" + hexadecimal(scalar.value, 8)
      }
    }
  }

  static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.value < 0x7F { return scalar.value >= 0x20 }
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator, .spaceSeparator:
      return false
    default: return true
    }
  }

  /// `text.capitalize()`.
  static func capitalized(_ text: String) -> String {
    guard let first = text.unicodeScalars.first else { return text }
    return first.properties.titlecaseMapping + lowercased(text, from: 1)
  }

  /// `text.lower()`, where a sigma that ends a word takes its final form.
  static func lowercased(_ text: String, from start: Int = 0) -> String {
    guard start > 0 || text.utf8.contains(0xCE) else { return text.lowercased() }
    let scalars = Array(text.unicodeScalars)
    var result = ""
    for index in scalars.indices.dropFirst(start) {
      let scalar = scalars[index]
      if scalar == "\u{3A3}" {
        let before = scalars[..<index].last { !$0.properties.isCaseIgnorable }
        let after = scalars[(index + 1)...].first { !$0.properties.isCaseIgnorable }
        let isFinal = before?.properties.isCased ?? false && !(after?.properties.isCased ?? false)
        result += isFinal ? "\u{3C2}" : "\u{3C3}"
      } else {
        result += scalar.properties.lowercaseMapping
      }
    }
    return result
  }

  /// `text.casefold()`.
  static func caseFolded(_ text: String) -> String {
    text.unicodeScalars.reduce(into: "") { result, scalar in
      switch scalar.value {
      case ..<0x80: result += scalar.properties.lowercaseMapping
      // Cherokee folds to its capital letters; a dotless i stays.
      case 0x13A0...0x13FD, 0xAB70...0xABBF: result += scalar.properties.uppercaseMapping
      case 0x131: result.unicodeScalars.append(scalar)
      case 0x1E9E: result += "ss"
      default:
        for capital in scalar.properties.uppercaseMapping.unicodeScalars {
          result += capital.properties.lowercaseMapping
        }
      }
    }
  }

  /// `text.expandtabs(size)`; what it will add is announced to `budget` first.
  static func expandingTabs(_ text: String, _ size: Int, budget: (Int) throws -> Void) throws -> String {
    let tabs = text.utf8.count { $0 == 9 }
    if tabs > 0 { try budget(max(size, 0)) }
    try budget(text.utf8.count + (tabs > 0 ? tabs * max(size, 0) : 0))
    var column = 0
    return text.unicodeScalars.reduce(into: "") { result, scalar in
      if scalar == "\t" {
        guard size > 0 else { return }
        let count = size - column % size
        result += String(repeating: " ", count: count)
        column += count
      } else {
        result.unicodeScalars.append(scalar)
        column = scalar == "\n" || scalar == "\r" ? 0 : column + 1
      }
    }
  }

  /// `text.title()`: every run of letters starts large and goes on small.
  static func titled(_ text: String) -> String {
    var result = ""
    var afterCased = false
    for scalar in text.unicodeScalars {
      let properties = scalar.properties
      result += afterCased ? properties.lowercaseMapping : properties.titlecaseMapping
      afterCased = properties.isCased
    }
    return result
  }
}
