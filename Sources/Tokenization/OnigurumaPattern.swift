/// Rewrites a pattern of Oniguruma's Ruby syntax, which tokenizer files are written for, into one that PCRE2 reads
/// the same way (with `UTF`, `UCP` and `MULTILINE`, a line feed as the newline).
///
/// Where the two differ: `\s` (PCRE2 adds U+180E), `\w` (PCRE2 before 10.43 leaves out marks), `\h` (hexadecimal
/// digits in Ruby), `\v`, `(?m)` (a dot that matches newlines), `{n,m}+` (not possessive in Ruby), `{,n}`, nested and
/// intersected classes, and characters that entered Unicode after the library was built. What has no equal
/// counterpart is refused by name. Source: Oniguruma `doc/RE`, `pcre2pattern(3)`.
struct OnigurumaPattern {
  struct Failure: Error {
    let message: String
  }

  private let input: [Unicode.Scalar]
  private var position = 0
  private var output = ""
  /// Where in `output` the last atom starts, for quantifiers that need a group around it.
  private var atom: String.Index?
  private var groups: [String.Index] = []

  /// The equal pattern for PCRE2.
  static func translated(_ pattern: String) throws(Failure) -> String {
    var translation = OnigurumaPattern(input: Array(pattern.unicodeScalars))
    try translation.run()
    return translation.output
  }

  private init(input: [Unicode.Scalar]) { self.input = input }

  private func peek(_ distance: Int = 0) -> Unicode.Scalar? {
    position + distance < input.count ? input[position + distance] : nil
  }

  private func refusal(_ what: String) -> Failure {
    Failure(message: "\(what) at character \(position + 1) of the pattern is not supported")
  }

  private mutating func copy(_ count: Int = 1) {
    for _ in 0..<count where position < input.count {
      output.unicodeScalars.append(input[position])
      position += 1
    }
  }

  private mutating func run() throws(Failure) {
    while let scalar = peek() {
      switch scalar {
      case "\\": try escape(inClass: false)
      case "[": try characterClass()
      case "(": try group()
      case ")":
        guard let start = groups.popLast() else { throw refusal("an unmatched ')'") }
        copy()
        atom = start
      case "*", "+", "?": copy()
      case "{": try interval()
      case "|", "^", "$":
        copy()
        atom = nil
      default:
        atom = output.endIndex
        copy()
      }
    }
  }

  private mutating func group() throws(Failure) {
    groups.append(output.endIndex)
    atom = nil
    guard peek(1) == "?" else { return copy() }
    switch peek(2) {
    case ":", "=", "!", ">": copy(3)
    case "<":
      guard let after = peek(3) else { throw refusal("an unfinished group") }
      if after == "=" || after == "!" { return copy(4) }
      // A name plays no part in a match.
      while let scalar = peek(), scalar != ">" {
        position += 1
        _ = scalar
      }
      guard peek() == ">" else { throw refusal("an unfinished group name") }
      position += 1
      output += "(?:"
    default: try options()
    }
  }

  /// `(?i:…)`, and `(?i)` at the very start: elsewhere it opens a group up to the end of the alternatives in Ruby.
  private mutating func options() throws(Failure) {
    let start = position
    output += "(?"
    position += 2
    while let scalar = peek() {
      switch scalar {
      case "i", "-": copy()
      case "m":
        output += "s"
        position += 1
      case ":": return copy()
      case ")":
        guard start == 0 else { throw refusal("an option in the middle of a pattern") }
        groups.removeLast()
        return copy()
      default: throw refusal("the group option \"\(scalar)\"")
      }
    }
    throw refusal("an unfinished group")
  }

  /// `{n}`, `{n,}`, `{,m}`, `{n,m}`; any other brace stands for itself.
  private mutating func interval() throws(Failure) {
    var end = position + 1
    while end < input.count, input[end].properties.numericType == .decimal && input[end].isASCII || input[end] == "," {
      end += 1
    }
    let body = String(String.UnicodeScalarView(input[(position + 1)..<min(end, input.count)]))
    let bounds = body.split(separator: ",", omittingEmptySubsequences: false)
    guard end < input.count, input[end] == "}", bounds.count <= 2, bounds.contains(where: { !$0.isEmpty }) else {
      atom = output.endIndex
      output += "\\{"
      position += 1
      return
    }
    let text = bounds[0].isEmpty ? "0\(body)" : body
    position = end + 1
    output += "{\(text)}"
    // Ruby reads `{n,m}+` as a repeated repetition, and `{n}?` as an optional one.
    if peek() == "+" || (peek() == "?" && bounds.count == 1) {
      guard let atom else { throw refusal("a repetition of nothing") }
      let offset = output.utf8.distance(from: output.startIndex, to: atom)
      output = "\(output[..<atom])(?:\(output[atom...]))"
      self.atom = output.utf8.index(output.startIndex, offsetBy: offset)
      copy()
    }
  }

  private mutating func characterClass() throws(Failure) {
    atom = output.endIndex
    copy()
    if peek() == "^" { copy() }
    if peek() == "]" { throw refusal("an empty class") }
    while let scalar = peek() {
      switch scalar {
      case "]": return copy()
      case "[": throw refusal("a class inside a class")
      case "&" where peek(1) == "&": throw refusal("an intersection of classes")
      case "\\": try escape(inClass: true)
      default: copy()
      }
    }
    throw refusal("an unfinished class")
  }

  private mutating func escape(inClass: Bool) throws(Failure) {
    if !inClass { atom = output.endIndex }
    guard let scalar = peek(1) else { throw refusal("a backslash at the end") }
    switch scalar {
    case "s": emit(UnicodeRanges.whiteSpace, inClass: inClass)
    case "S": emit(UnicodeRanges.notWhiteSpace, inClass: inClass)
    case "w": emit(UnicodeRanges.word, inClass: inClass)
    case "W":
      guard !inClass else { throw refusal("\\W in a class") }
      output += "[^\(UnicodeRanges.word)]"
      position += 2
    case "h": emit("0-9A-Fa-f", inClass: inClass)
    case "d": emit("\\p{Nd}" + UnicodeRanges.additions(to: "Nd"), inClass: inClass)
    case "v":
      output += "\\x0B"
      position += 2
    case "p": try property(inClass: inClass)
    case "x", "n", "r", "t", "f", "a", "e": copy(2)
    case "A", "z", "Z":
      guard !inClass else { throw refusal("\\\(scalar) in a class") }
      copy(2)
    case "u": try codePoint()
    default:
      guard scalar.isASCII, !scalar.properties.isAlphabetic, scalar.properties.numericType == nil else {
        throw refusal("the escape \\\(scalar)")
      }
      copy(2)
    }
  }

  private mutating func emit(_ set: String, inClass: Bool) {
    output += inClass ? set : "[\(set)]"
    position += 2
  }

  /// `\p{L}`, `\p{^L}`.
  private mutating func property(inClass: Bool) throws(Failure) {
    guard peek(2) == "{", let end = input[position...].firstIndex(of: "}") else {
      throw refusal("\\p without a name in braces")
    }
    var name = String(String.UnicodeScalarView(input[(position + 3)..<end]))
    position = end + 1
    let negated = name.hasPrefix("^")
    if negated { name.removeFirst() }
    let additions = UnicodeRanges.additions(to: name)
    switch (negated, inClass) {
    case (false, true): output += "\\p{\(name)}\(additions)"
    case (false, false): output += additions.isEmpty ? "\\p{\(name)}" : "[\\p{\(name)}\(additions)]"
    case (true, false): output += "[^\\p{\(name)}\(additions)]"
    case (true, true): throw refusal("a negated property in a class")
    }
  }

  /// `\uHHHH`
  private mutating func codePoint() throws(Failure) {
    let digits = input[min(position + 2, input.count)..<min(position + 6, input.count)]
    guard digits.count == 4, digits.allSatisfy({ $0.properties.isASCIIHexDigit }) else {
      throw refusal("\\u without four hexadecimal digits")
    }
    output += "\\x{\(String(String.UnicodeScalarView(digits)))}"
    position += 6
  }
}
