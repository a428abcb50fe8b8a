/// Cuts a template into tokens, with the whitespace rules of the environment that `apply_chat_template`
/// uses: `trim_blocks` (the newline after a block or comment goes), `lstrip_blocks` (so do the blanks
/// between a line's start and a block or comment), no trailing newline kept, and the signs `-` and `+`.
struct Lexer {
  private let bytes: [UInt8]
  private var position = 0
  private var line = 1
  private var tokens: [Token] = []
  /// Brackets that are open inside the current tag; `}}` closes a tag only when there are none.
  private var brackets: [UInt8] = []

  /// The tokens of `source`, closed by one of kind `.end`.
  static func tokens(of source: String) throws -> [Token] {
    var lexer = Lexer(source)
    try lexer.run()
    return lexer.tokens
  }

  private init(_ source: String) {
    bytes = Self.normalized(source)
  }

  /// Line breaks as `\n`; one at the very end is dropped.
  private static func normalized(_ source: String) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(source.utf8.count)
    var afterReturn = false
    for byte in source.utf8 {
      if byte == UInt8(ascii: "\r") {
        result.append(UInt8(ascii: "\n"))
      } else if !(afterReturn && byte == UInt8(ascii: "\n")) {
        result.append(byte)
      }
      afterReturn = byte == UInt8(ascii: "\r")
    }
    if result.last == UInt8(ascii: "\n") { result.removeLast() }
    return result
  }

  private mutating func run() throws {
    while position < bytes.count {
      guard let tag = nextTag(from: position) else {
        emitData(position..<bytes.count)
        advance(to: bytes.count)
        break
      }
      try openTag(at: tag)
    }
    emit(.end, "")
  }

  private func nextTag(from start: Int) -> Int? {
    var index = start
    while index + 1 < bytes.count {
      if bytes[index] == UInt8(ascii: "{") {
        let next = bytes[index + 1]
        if next == UInt8(ascii: "{") || next == UInt8(ascii: "%") || next == UInt8(ascii: "#") { return index }
      }
      index += 1
    }
    return nil
  }

  private mutating func openTag(at tag: Int) throws {
    let kind = bytes[tag + 1]
    let sign = self.sign(at: tag + 2)
    let start = sign == nil ? tag + 2 : tag + 3
    emitData(textBefore(tag, sign: sign, isBlock: kind != UInt8(ascii: "{")))
    advance(to: tag)
    switch kind {
    case UInt8(ascii: "#"):
      try comment(from: start)
    case UInt8(ascii: "%"):
      if let body = rawBegin(from: start) {
        try raw(from: body)
      } else {
        emit(.blockBegin, "")
        advance(to: start)
        try insideTag(closing: UInt8(ascii: "%"), kind: .blockEnd)
      }
    default:
      emit(.variableBegin, "")
      advance(to: start)
      try insideTag(closing: UInt8(ascii: "}"), kind: .variableEnd)
    }
  }

  private func sign(at index: Int) -> UInt8? {
    guard index < bytes.count else { return nil }
    let byte = bytes[index]
    return byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+") ? byte : nil
  }

  /// The text from the current position up to a tag, less what whitespace control takes away.
  private func textBefore(_ tag: Int, sign: UInt8?, isBlock: Bool) -> Range<Int> {
    if sign == UInt8(ascii: "-") { return position..<whitespaceStart(before: tag) }
    guard sign == nil, isBlock else { return position..<tag }
    var lineStart = tag
    while lineStart > position, bytes[lineStart - 1] != UInt8(ascii: "\n") { lineStart -= 1 }
    let startsLine = lineStart == 0 || bytes[lineStart - 1] == UInt8(ascii: "\n")
    guard startsLine, max(whitespaceStart(before: tag), lineStart) == lineStart else { return position..<tag }
    return position..<lineStart
  }

  /// Where the run of whitespace that ends at `end` begins, not before the current position.
  private func whitespaceStart(before end: Int) -> Int {
    bytes.withUnsafeBufferPointer { Whitespace.start(before: end, in: $0, notBefore: position) }
  }

  private func skipWhitespace(from start: Int) -> Int {
    bytes.withUnsafeBufferPointer { Whitespace.end(after: start, in: $0) }
  }

  private mutating func advance(to target: Int) {
    while position < target {
      if bytes[position] == UInt8(ascii: "\n") { line += 1 }
      position += 1
    }
  }

  private mutating func emit(_ kind: Token.Kind, _ text: String) {
    tokens.append(Token(kind: kind, text: text, line: line))
  }

  private mutating func emitData(_ range: Range<Int>) {
    if !range.isEmpty { emit(.data, String(decoding: bytes[range], as: UTF8.self)) }
  }

  private func matches(_ text: StaticString, at index: Int) -> Bool {
    guard index + text.utf8CodeUnitCount <= bytes.count else { return false }
    return (0..<text.utf8CodeUnitCount).allSatisfy { text.utf8Start[$0] == bytes[index + $0] }
  }

  /// The end of a block's or comment's closing mark at `index` (`-%}` takes the whitespace after it, `%}` a newline).
  private func closingMark(_ first: UInt8, at index: Int) -> Int? {
    let sign = self.sign(at: index)
    let mark = sign == nil ? index : index + 1
    guard mark + 1 < bytes.count, bytes[mark] == first, bytes[mark + 1] == UInt8(ascii: "}") else { return nil }
    if sign == UInt8(ascii: "-") { return skipWhitespace(from: mark + 2) }
    if sign == nil, mark + 2 < bytes.count, bytes[mark + 2] == UInt8(ascii: "\n") { return mark + 3 }
    return mark + 2
  }

  private mutating func comment(from start: Int) throws {
    var index = start
    while index < bytes.count {
      if let end = closingMark(UInt8(ascii: "#"), at: index) {
        advance(to: end)
        return
      }
      index += 1
    }
    throw TemplateFailure("a comment that starts here does not end", line: line)
  }

  /// The start of a raw block's text, when the tag whose inside starts at `start` opens one.
  private func rawBegin(from start: Int) -> Int? {
    var index = skipWhitespace(from: start)
    guard matches("raw", at: index) else { return nil }
    index = skipWhitespace(from: index + 3)
    if matches("-%}", at: index) { return skipWhitespace(from: index + 3) }
    return matches("%}", at: index) ? index + 2 : nil
  }

  private mutating func raw(from start: Int) throws {
    let opened = line
    advance(to: start)
    var index = start
    while index + 1 < bytes.count {
      if matches("{%", at: index) {
        let sign = self.sign(at: index + 2)
        let word = skipWhitespace(from: sign == nil ? index + 2 : index + 3)
        if matches("endraw", at: word),
          let end = closingMark(UInt8(ascii: "%"), at: skipWhitespace(from: word + 6))
        {
          emitData(textBefore(index, sign: sign, isBlock: true))
          advance(to: end)
          return
        }
      }
      index += 1
    }
    throw TemplateFailure("a raw block that starts here does not end", line: opened)
  }

  private mutating func insideTag(closing: UInt8, kind: Token.Kind) throws {
    let opened = line
    brackets.removeAll()
    while true {
      advance(to: skipWhitespace(from: position))
      guard position < bytes.count else { throw TemplateFailure("a tag that starts here does not end", line: opened) }
      if brackets.isEmpty, let end = tagEnd(closing) {
        emit(kind, "")
        advance(to: end)
        return
      }
      try token()
    }
  }

  private func tagEnd(_ closing: UInt8) -> Int? {
    if closing == UInt8(ascii: "%") { return closingMark(closing, at: position) }
    if matches("-}}", at: position) { return skipWhitespace(from: position + 3) }
    return matches("}}", at: position) ? position + 2 : nil
  }

  private mutating func token() throws {
    let byte = bytes[position]
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"):
      try number()
    case UInt8(ascii: "'"), UInt8(ascii: "\""):
      try string(quote: byte)
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"), 0x80...:
      try name()
    default:
      try symbol(byte)
    }
  }

  private mutating func name() throws {
    let text = String(
      decoding: bytes[position...].prefix { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), 0x80...:
          return true
        default: return false
        }
      }, as: UTF8.self)
    let isIdentifier = text.unicodeScalars.enumerated().allSatisfy { offset, scalar in
      scalar == "_" || (offset == 0 ? scalar.properties.isXIDStart : scalar.properties.isXIDContinue)
    }
    guard isIdentifier else { throw TemplateFailure("unexpected character in the name '\(text)'", line: line) }
    emit(.name, text)
    advance(to: position + text.utf8.count)
  }

  private mutating func symbol(_ byte: UInt8) throws {
    for pair: StaticString in ["//", "**", "==", "!=", ">=", "<="] where matches(pair, at: position) {
      emit(.symbol, "\(pair)")
      position += 2
      return
    }
    switch byte {
    case UInt8(ascii: "("): brackets.append(UInt8(ascii: ")"))
    case UInt8(ascii: "["): brackets.append(UInt8(ascii: "]"))
    case UInt8(ascii: "{"): brackets.append(UInt8(ascii: "}"))
    case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"):
      guard brackets.popLast() == byte else {
        throw TemplateFailure("unexpected '\(Character(Unicode.Scalar(byte)))'", line: line)
      }
    case _ where "+-/*%~><=.:|,;".utf8.contains(byte): break
    default:
      let character = Character(Unicode.Scalar(byte))
      throw TemplateFailure("unexpected character '\(character)' in a tag", line: line)
    }
    emit(.symbol, String(Character(Unicode.Scalar(byte))))
    position += 1
  }
}

extension Lexer {
  private mutating func number() throws {
    let start = position
    if bytes[start] == UInt8(ascii: "0"), start + 1 < bytes.count, let radix = radix(of: bytes[start + 1]) {
      let end = digits(from: start + 2, radix: radix, leadingUnderscore: true)
      if end > start + 2 { return try integer(start + 2..<end, radix: radix, end: end) }
    }
    var end = digits(from: start, radix: 10)
    var isFloat = false
    if end < bytes.count, bytes[end] == UInt8(ascii: ".") {
      let fraction = digits(from: end + 1, radix: 10)
      if fraction > end + 1 { (end, isFloat) = (fraction, true) }
    }
    if end < bytes.count, bytes[end] | 0x20 == UInt8(ascii: "e") {
      let exponent = sign(at: end + 1) == nil ? end + 1 : end + 2
      let stop = digits(from: exponent, radix: 10)
      if stop > exponent { (end, isFloat) = (stop, true) }
    }
    guard isFloat else {
      guard bytes[start] != UInt8(ascii: "0") || bytes[start..<end].allSatisfy({ "0_".utf8.contains($0) }) else {
        throw TemplateFailure("a number may not start with 0", line: line)
      }
      return try integer(start..<end, radix: 10, end: end)
    }
    let text = String(decoding: bytes[start..<end].filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
    guard let value = Double(text) else { throw TemplateFailure("not a number: \(text)", line: line) }
    emit(.float(value), text)
    position = end
  }

  private mutating func integer(_ range: Range<Int>, radix: Int, end: Int) throws {
    let text = String(decoding: bytes[range].filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
    guard let value = Int(text, radix: radix) else {
      throw TemplateFailure("the integer \(text) does not fit 64 bits", line: line)
    }
    emit(.integer(value), text)
    position = end
  }

  private func radix(of byte: UInt8) -> Int? {
    switch byte | 0x20 {
    case UInt8(ascii: "b"): 2
    case UInt8(ascii: "o"): 8
    case UInt8(ascii: "x"): 16
    default: nil
    }
  }

  /// The end of a run of digits in which single underscores may stand between digits.
  private func digits(from start: Int, radix: Int, leadingUnderscore: Bool = false) -> Int {
    var end = start
    while end < bytes.count {
      let isUnderscore = bytes[end] == UInt8(ascii: "_") && (leadingUnderscore || end > start)
      let index = isUnderscore ? end + 1 : end
      guard index < bytes.count, let digit = Character(Unicode.Scalar(bytes[index])).hexDigitValue, digit < radix,
        bytes[index] < 0x80
      else { break }
      end = index + 1
    }
    return end
  }

  private mutating func string(quote: UInt8) throws {
    var text: [UInt8] = []
    var index = position + 1
    while index < bytes.count, bytes[index] != quote {
      guard bytes[index] == UInt8(ascii: "\\") else {
        text.append(bytes[index])
        index += 1
        continue
      }
      guard index + 1 < bytes.count else { break }
      index = try escape(at: index, into: &text)
    }
    guard index < bytes.count else { throw TemplateFailure("a string that starts here does not end", line: line) }
    emit(.string, String(decoding: text, as: UTF8.self))
    advance(to: index + 1)
  }

  /// Decodes one backslash escape as Python's `unicode-escape` does; returns where the text goes on.
  private func escape(at index: Int, into text: inout [UInt8]) throws -> Int {
    let byte = bytes[index + 1]
    func append(_ value: UInt32) throws {
      guard let scalar = Unicode.Scalar(value) else {
        throw TemplateFailure("an escape in a string names no character", line: line)
      }
      text.append(contentsOf: String(Character(scalar)).utf8)
    }
    func hexadecimal(_ count: Int) throws -> Int {
      let end = index + 2 + count
      guard end <= bytes.count, bytes[index + 2..<end].allSatisfy({ $0 < 0x80 }),
        let value = UInt32(String(decoding: bytes[index + 2..<end], as: UTF8.self), radix: 16),
        bytes[index + 2] != UInt8(ascii: "+")
      else { throw TemplateFailure("expected \(count) hexadecimal digits in a string's escape", line: line) }
      try append(value)
      return end
    }
    switch byte {
    case UInt8(ascii: "\n"): return index + 2
    case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): text.append(byte)
    case UInt8(ascii: "n"): text.append(10)
    case UInt8(ascii: "t"): text.append(9)
    case UInt8(ascii: "r"): text.append(13)
    case UInt8(ascii: "a"): text.append(7)
    case UInt8(ascii: "b"): text.append(8)
    case UInt8(ascii: "f"): text.append(12)
    case UInt8(ascii: "v"): text.append(11)
    case UInt8(ascii: "x"): return try hexadecimal(2)
    case UInt8(ascii: "u"): return try hexadecimal(4)
    case UInt8(ascii: "U"): return try hexadecimal(8)
    case UInt8(ascii: "N"): throw TemplateFailure("character names (\\N) are not supported in strings", line: line)
    case UInt8(ascii: "0")...UInt8(ascii: "7"):
      var end = index + 1
      var value: UInt32 = 0
      while end < min(index + 4, bytes.count), bytes[end] >= UInt8(ascii: "0"), bytes[end] <= UInt8(ascii: "7") {
        value = value * 8 + UInt32(bytes[end] - UInt8(ascii: "0"))
        end += 1
      }
      try append(value)
      return end
    default:
      text.append(UInt8(ascii: "\\"))
      // The character itself follows as ordinary text, which may be several bytes long.
      return index + 1
    }
    return index + 2
  }
}
