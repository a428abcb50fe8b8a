extension JSONValue {
  /// Parses one JSON document.
  ///
  /// - Parameters:
  ///   - bytes: UTF-8 text; a byte-order mark at its start is skipped.
  ///   - maximumDepth: nesting beyond this is refused, so that hostile files cannot exhaust the stack.
  /// - Throws: ``JSONError`` with line and column; bad UTF-8, lone surrogates and trailing text are errors.
  ///   Of a repeated key the last value counts, as in Python.
  package init(parsing bytes: some Sequence<UInt8>, maximumDepth: Int = 128) throws {
    let array = Array(bytes)
    self = try array.withUnsafeBufferPointer { buffer in
      try JSONValue(parsing: buffer, maximumDepth: maximumDepth)
    }
  }

  package init(parsing text: String, maximumDepth: Int = 128) throws {
    var text = text
    self = try text.withUTF8 { try JSONValue(parsing: $0, maximumDepth: maximumDepth) }
  }

  package init(parsing buffer: UnsafeBufferPointer<UInt8>, maximumDepth: Int = 128) throws {
    var parser = JSONParser(bytes: buffer, maximumDepth: maximumDepth)
    self = try parser.document()
  }
}

/// A recursive-descent parser over UTF-8 bytes.
private struct JSONParser {
  let bytes: UnsafeBufferPointer<UInt8>
  let maximumDepth: Int
  var position = 0

  init(bytes: UnsafeBufferPointer<UInt8>, maximumDepth: Int) {
    self.bytes = bytes
    self.maximumDepth = maximumDepth
  }

  mutating func document() throws -> JSONValue {
    if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF { position = 3 }
    skipBlanks()
    let value = try value(depth: 0)
    skipBlanks()
    if position < bytes.count { throw error("unexpected text after the end of the document") }
    return value
  }

  func error(_ message: String, at offset: Int? = nil) -> JSONError {
    let end = min(offset ?? position, bytes.count)
    var line = 1
    var start = 0
    for index in 0..<end where bytes[index] == UInt8(ascii: "\n") {
      line += 1
      start = index + 1
    }
    return JSONError(line: line, column: end - start + 1, message: message)
  }

  mutating func skipBlanks() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x09, 0x0A, 0x0D: position += 1
      default: return
      }
    }
  }

  mutating func value(depth: Int) throws -> JSONValue {
    guard depth <= maximumDepth else { throw error("nested deeper than \(maximumDepth) levels") }
    guard position < bytes.count else { throw error("the text ends where a value was expected") }
    switch bytes[position] {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    // Python writes these by default, so files on the hub contain them.
    case UInt8(ascii: "N"): return try word("NaN", .number(.nan))
    case UInt8(ascii: "I"): return try word("Infinity", .number(.infinity))
    default: throw error("expected a value")
    }
  }

  mutating func word(_ text: StaticString, _ value: JSONValue) throws -> JSONValue {
    let count = text.utf8CodeUnitCount
    guard position + count <= bytes.count else { throw error("expected \(text)") }
    for index in 0..<count where bytes[position + index] != text.utf8Start[index] {
      throw error("expected \(text)")
    }
    position += count
    return value
  }

  mutating func object(depth: Int) throws -> JSONValue {
    position += 1
    var members: JSONObject = [:]
    skipBlanks()
    if take(UInt8(ascii: "}")) { return .object(members) }
    while true {
      skipBlanks()
      guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
        throw error("expected a key in quotes")
      }
      let key = try string()
      skipBlanks()
      guard take(UInt8(ascii: ":")) else { throw error("expected ':' after the key \"\(key)\"") }
      skipBlanks()
      members[key] = try value(depth: depth + 1)
      skipBlanks()
      if take(UInt8(ascii: ",")) { continue }
      if take(UInt8(ascii: "}")) { return .object(members) }
      throw error("expected ',' or '}' in an object")
    }
  }

  mutating func array(depth: Int) throws -> JSONValue {
    position += 1
    var elements: [JSONValue] = []
    skipBlanks()
    if take(UInt8(ascii: "]")) { return .array(elements) }
    while true {
      skipBlanks()
      elements.append(try value(depth: depth + 1))
      skipBlanks()
      if take(UInt8(ascii: ",")) { continue }
      if take(UInt8(ascii: "]")) { return .array(elements) }
      throw error("expected ',' or ']' in a list")
    }
  }

  mutating func take(_ byte: UInt8) -> Bool {
    guard position < bytes.count, bytes[position] == byte else { return false }
    position += 1
    return true
  }

  mutating func number() throws -> JSONValue {
    let start = position
    var whole = true
    if bytes[position] == UInt8(ascii: "-") {
      position += 1
      if position < bytes.count, bytes[position] == UInt8(ascii: "I") {
        return try word("Infinity", .number(-.infinity))
      }
    }
    let digits = skipDigits()
    guard digits > 0 else { throw error("expected a digit") }
    let first = bytes[start] == UInt8(ascii: "-") ? start + 1 : start
    if digits > 1, bytes[first] == UInt8(ascii: "0") { throw error("a number may not start with 0", at: first) }
    if take(UInt8(ascii: ".")) {
      whole = false
      guard skipDigits() > 0 else { throw error("expected a digit after '.'") }
    }
    if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
      whole = false
      position += 1
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      guard skipDigits() > 0 else { throw error("expected a digit in the exponent") }
    }
    let text = String(decoding: UnsafeBufferPointer(rebasing: bytes[start..<position]), as: UTF8.self)
    if whole, let integer = Int(text) { return .integer(integer) }
    guard let value = Double(text) else { throw error("not a number: \(text)", at: start) }
    return .number(value)
  }

  mutating func skipDigits() -> Int {
    let start = position
    while position < bytes.count, bytes[position] >= UInt8(ascii: "0"), bytes[position] <= UInt8(ascii: "9") {
      position += 1
    }
    return position - start
  }

  mutating func string() throws -> String {
    position += 1
    let start = position
    while position < bytes.count {
      let byte = bytes[position]
      if byte == UInt8(ascii: "\"") {
        let text = try validated(start..<position)
        position += 1
        return text
      }
      if byte == UInt8(ascii: "\\") { break }
      guard byte >= 0x20 else { throw error("control character in a string; write it as \\u00XX") }
      position += 1
    }
    var text = try validated(start..<position)
    var run = position
    while position < bytes.count {
      let byte = bytes[position]
      if byte == UInt8(ascii: "\"") {
        text += try validated(run..<position)
        position += 1
        return text
      }
      guard byte >= 0x20 else { throw error("control character in a string; write it as \\u00XX") }
      if byte == UInt8(ascii: "\\") {
        text += try validated(run..<position)
        text.unicodeScalars.append(try escape())
        run = position
      } else {
        position += 1
      }
    }
    throw error("the string that starts here does not end", at: start - 1)
  }

  func validated(_ range: Range<Int>) throws -> String {
    if let text = String(validating: UnsafeBufferPointer(rebasing: bytes[range]), as: UTF8.self) { return text }
    throw error("the text is not UTF-8", at: range.lowerBound)
  }

  mutating func escape() throws -> Unicode.Scalar {
    let start = position
    position += 1
    guard position < bytes.count else { throw error("the text ends inside an escape") }
    let byte = bytes[position]
    position += 1
    switch byte {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): break
    default: throw error("unknown escape in a string", at: start)
    }
    let first = try hexadecimal()
    if let scalar = Unicode.Scalar(first) { return scalar }
    if first < 0xDC00, position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
      bytes[position + 1] == UInt8(ascii: "u")
    {
      position += 2
      let second = try hexadecimal()
      if second >= 0xDC00, second < 0xE000,
        let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
      {
        return scalar
      }
    }
    throw error("a lone surrogate is not a character", at: start)
  }

  mutating func hexadecimal() throws -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard position < bytes.count, let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue else {
        throw error("expected four hexadecimal digits after \\u")
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }
}
