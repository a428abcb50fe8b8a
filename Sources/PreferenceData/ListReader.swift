import RunFolder

/// The elements of the JSON list that a file holds, cut out without being parsed, so that a list of any length needs the
/// memory of its longest element.
struct ListReader {
  /// One element, as it is written.
  struct Element {
    /// nil: it has more bytes than ``LineReader/maximumCount`` and was passed over.
    let text: [UInt8]?
    /// Where it begins, both from 1.
    let line: Int
    let column: Int
  }

  private let reader: LineReader
  private var line = 1
  private var column = 1
  private var state = State.atStart

  private enum State { case atStart, inside, ended }

  /// - Parameter reader: at the start of its file.
  init(_ reader: LineReader) { self.reader = reader }

  /// nil after the last element.
  ///
  /// - Throws: 65 at "file:line:column" when the list itself is malformed: no comma, no end, or text after it.
  mutating func next() throws -> Element? {
    switch state {
    case .ended: return nil
    case .atStart:
      try skipMark()
      guard try peek() == UInt8(ascii: "[") else { throw error("expected a list") }
      take()
      state = .inside
      if try peek() == UInt8(ascii: "]") { return try end() }
    case .inside:
      switch try peek() {
      case UInt8(ascii: ","): take()
      case UInt8(ascii: "]"): return try end()
      case nil: throw error("the list has no end")
      default: throw error("expected ',' or ']' in a list")
      }
    }
    return try element()
  }

  private mutating func end() throws -> Element? {
    take()
    state = .ended
    if try peek() != nil { throw error("expected nothing after the list") }
    return nil
  }

  private func error(_ message: String) -> TregError {
    TregError.badData(at: "\(reader.path):\(line):\(column)", message)
  }

  /// A byte order mark is passed over.
  private mutating func skipMark() throws {
    while reader.buffer.count - reader.start < 3, try reader.fill() {}
    if reader.buffer[reader.start...].starts(with: [0xEF, 0xBB, 0xBF]) { reader.start += 3 }
  }

  /// The next byte that is no blank; nil at the end.
  private mutating func peek() throws -> UInt8? {
    while true {
      while reader.start < reader.buffer.count {
        let byte = reader.buffer[reader.start]
        guard byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D else { return byte }
        take()
      }
      if try !reader.fill() { return nil }
    }
  }

  private mutating func take() {
    advance(over: reader.buffer[reader.start])
    reader.start += 1
  }

  /// Bytes up to the comma or bracket that ends the element; whether they are JSON is for the parser to say.
  private mutating func element() throws -> Element {
    guard let first = try peek() else { throw error("the list has no end") }
    guard first != UInt8(ascii: ","), first != UInt8(ascii: "]") else { throw error("expected a value") }
    let (startLine, startColumn) = (line, column)
    var isOversize = false
    var depth = 0
    var isInString = false
    var isEscaped = false
    // Relative to the reader's start, which moves when more is read.
    var position = 0
    while true {
      while reader.start + position < reader.buffer.count {
        let byte = reader.buffer[reader.start + position]
        if isInString {
          if isEscaped {
            isEscaped = false
          } else if byte == UInt8(ascii: "\\") {
            isEscaped = true
          } else if byte == UInt8(ascii: "\"") {
            isInString = false
          }
        } else {
          switch byte {
          case UInt8(ascii: "\""): isInString = true
          case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
          case UInt8(ascii: ",") where depth == 0, UInt8(ascii: "]") where depth == 0:
            let text = Array(reader.buffer[reader.start..<reader.start + position])
            reader.start += position
            isOversize = isOversize || text.count > reader.maximumCount
            return Element(text: isOversize ? nil : text, line: startLine, column: startColumn)
          case UInt8(ascii: "}"), UInt8(ascii: "]"): depth = max(depth - 1, 0)
          default: break
          }
        }
        advance(over: byte)
        position += 1
      }
      if position > reader.maximumCount {
        isOversize = true
        reader.start += position
        position = 0
      }
      if try !reader.fill() { throw error("the list has no end") }
    }
  }

  private mutating func advance(over byte: UInt8) {
    if byte == 0x0A {
      line += 1
      column = 1
    } else {
      column += 1
    }
  }
}
