/// A regular expression over module names, as `rank_pattern` and `alpha_pattern` of a PEFT adapter have them.
///
/// Read are literals, `.`, classes, `\d \w \s` and their opposites, groups, alternatives, `* + ? {n,m}`, `^` and `$`. All
/// states are followed at once, so the time is the pattern's size times the name's, whatever a file says.
package struct ModulePattern {
  private enum Step {
    case one(@Sendable (UInt8) -> Bool)
    /// Goes on at both places.
    case split(Int, Int)
    case start, end, match
  }

  private var steps: [Step] = []
  /// The pattern itself where it is but letters and `.`, which stand for themselves or for any character.
  private let plain: [UInt8]?
  /// Steps beyond which a pattern is refused; repetitions multiply them.
  private static let limit = 2048

  /// What a match may cost; nothing for plain patterns.
  var size: Int { plain == nil ? steps.count : 0 }

  /// Nil when the pattern is written in a way that is not read.
  package init?(_ text: String) {
    let isPlain = text.utf8.allSatisfy {
      let character = Character(UnicodeScalar($0))
      return character == "." || character == "_" || $0 < 128 && (character.isLetter || character.isNumber)
    }
    plain = isPlain ? Array(text.utf8) : nil
    if isPlain { return }
    var parser = Parser(rest: Array(text.utf8)[...])
    guard let tree = parser.alternatives(), parser.rest.isEmpty, compile(tree) else { return nil }
    steps.append(.match)
  }

  /// Whether the pattern is a name's last parts, as `re.match(rf"(.*\.)?({pattern})$", name)` of Python.
  package func names(_ name: String) -> Bool {
    let bytes = Array(name.utf8)
    if let plain {
      let first = bytes.count - plain.count
      guard first >= 0, first == 0 || bytes[first - 1] == UInt8(ascii: ".") else { return false }
      return zip(plain, bytes[first...]).allSatisfy { $0 == $1 || $0 == UInt8(ascii: ".") }
    }
    return bytes.indices.contains { ($0 == 0 || bytes[$0 - 1] == UInt8(ascii: ".")) && matches(bytes, from: $0) }
  }

  private func matches(_ bytes: [UInt8], from first: Int) -> Bool {
    var states: [Int] = []
    var seen = [Bool](repeating: false, count: steps.count)
    add(0, at: first, bytes.count, &states, &seen)
    for place in first..<bytes.count {
      var next: [Int] = []
      for step in seen.indices { seen[step] = false }
      for state in states {
        if case .one(let fits) = steps[state], fits(bytes[place]) {
          add(state + 1, at: place + 1, bytes.count, &next, &seen)
        }
      }
      states = next
    }
    return states.contains { if case .match = steps[$0] { true } else { false } }
  }

  /// Adds a step and all that it leads to without a character.
  private func add(_ first: Int, at place: Int, _ end: Int, _ states: inout [Int], _ seen: inout [Bool]) {
    var open = [first]
    while let step = open.popLast() {
      guard !seen[step] else { continue }
      seen[step] = true
      states.append(step)
      switch steps[step] {
      case .split(let one, let other): open += [one, other]
      case .start: if place == 0 { open.append(step + 1) }
      case .end: if place == end { open.append(step + 1) }
      case .one, .match: break
      }
    }
  }

  /// False when the pattern is too large.
  private mutating func compile(_ node: Node) -> Bool {
    guard steps.count < Self.limit else { return false }
    switch node {
    case .one(let fits): steps.append(.one(fits))
    case .start: steps.append(.start)
    case .end: steps.append(.end)
    case .sequence(let nodes): return nodes.allSatisfy { compile($0) }
    case .either(let first, let second):
      let split = steps.count
      steps.append(.split(0, 0))
      guard compile(first) else { return false }
      // A split whose two ways are one is a jump.
      let jump = steps.count
      steps.append(.split(0, 0))
      steps[split] = .split(split + 1, steps.count)
      guard compile(second) else { return false }
      steps[jump] = .split(steps.count, steps.count)
    case .repeated(let node, let least, let most):
      for _ in 0..<least { guard compile(node) else { return false } }
      guard let most else {
        let split = steps.count
        steps.append(.split(0, 0))
        guard compile(node) else { return false }
        steps.append(.split(split, split))
        steps[split] = .split(split + 1, steps.count)
        return true
      }
      for _ in least..<most {
        let split = steps.count
        steps.append(.split(0, 0))
        guard compile(node) else { return false }
        steps[split] = .split(split + 1, steps.count)
      }
    }
    return true
  }

  private indirect enum Node {
    case one(@Sendable (UInt8) -> Bool)
    case start, end
    case sequence([Node])
    case either(Node, Node)
    /// `most` nil: without limit.
    case repeated(Node, least: Int, most: Int?)
  }

  private struct Parser {
    var rest: ArraySlice<UInt8>
    private var depth = 0

    init(rest: ArraySlice<UInt8>) { self.rest = rest }

    private mutating func take(_ character: Character) -> Bool {
      guard rest.first == character.asciiValue else { return false }
      rest.removeFirst()
      return true
    }

    mutating func alternatives() -> Node? {
      depth += 1
      defer { depth -= 1 }
      guard depth < 64, var node = sequence() else { return nil }
      while take("|") {
        guard let next = sequence() else { return nil }
        node = .either(node, next)
      }
      return node
    }

    private mutating func sequence() -> Node? {
      var nodes: [Node] = []
      while let next = rest.first, next != UInt8(ascii: "|"), next != UInt8(ascii: ")") {
        guard let atom = atom(), let node = quantified(atom) else { return nil }
        nodes.append(node)
      }
      return .sequence(nodes)
    }

    private mutating func quantified(_ node: Node) -> Node? {
      var result = node
      if take("*") {
        result = .repeated(node, least: 0, most: nil)
      } else if take("+") {
        result = .repeated(node, least: 1, most: nil)
      } else if take("?") {
        result = .repeated(node, least: 0, most: 1)
      } else if take("{") {
        guard let least = number() else { return nil }
        var most: Int? = least
        if take(",") { most = rest.first == UInt8(ascii: "}") ? nil : number() ?? -1 }
        guard take("}"), most.map({ $0 >= least }) ?? true else { return nil }
        result = .repeated(node, least: least, most: most)
      } else {
        return node
      }
      // What is matched does not depend on how eagerly.
      _ = take("?")
      let doubled = rest.first.map { "*+?{".utf8.contains($0) } ?? false
      return doubled ? nil : result
    }

    private mutating func number() -> Int? {
      let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
      rest = rest.dropFirst(digits.count)
      return digits.count > 3 ? nil : Int(String(decoding: digits, as: UTF8.self))
    }

    private mutating func atom() -> Node? {
      guard let first = rest.popFirst() else { return nil }
      switch Character(UnicodeScalar(first)) {
      case ".": return .one { $0 != UInt8(ascii: "\n") }
      case "^": return .start
      case "$": return .end
      case "(":
        if take("?"), !take(":") { return nil }
        guard let node = alternatives(), take(")") else { return nil }
        return node
      case "[": return characterClass()
      case "\\": return escape().map { .one($0) }
      case "*", "+", "?", "{": return nil
      default: return .one { $0 == first }
      }
    }

    private mutating func escape() -> (@Sendable (UInt8) -> Bool)? {
      guard let character = rest.popFirst() else { return nil }
      @Sendable func isWord(_ byte: UInt8) -> Bool {
        let character = Character(UnicodeScalar(byte))
        return byte < 128 && (character.isLetter || character.isNumber || character == "_")
      }
      let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
      switch Character(UnicodeScalar(character)) {
      case "d": return { digits.contains($0) }
      case "D": return { !digits.contains($0) }
      case "w": return { isWord($0) }
      case "W": return { !isWord($0) }
      case "s": return { [9, 10, 11, 12, 13, 32].contains($0) }
      case "S": return { ![9, 10, 11, 12, 13, 32].contains($0) }
      // A letter or digit with a meaning of its own, such as a reference back.
      default: return isWord(character) && character != UInt8(ascii: "_") ? nil : { @Sendable in $0 == character }
      }
    }

    private mutating func characterClass() -> Node? {
      let isNegated = take("^")
      var parts: [@Sendable (UInt8) -> Bool] = []
      var isFirst = true
      while let byte = rest.popFirst() {
        if byte == UInt8(ascii: "]"), !isFirst {
          let all = parts
          return .one { byte in all.contains { $0(byte) } != isNegated }
        }
        isFirst = false
        if byte == UInt8(ascii: "\\") {
          guard let part = escape() else { return nil }
          parts.append(part)
        } else if rest.first == UInt8(ascii: "-"), let last = rest.dropFirst().first, last != UInt8(ascii: "]") {
          guard byte <= last, last != UInt8(ascii: "\\") else { return nil }
          rest = rest.dropFirst(2)
          parts.append { (byte...last).contains($0) }
        } else {
          parts.append { $0 == byte }
        }
      }
      return nil
    }
  }
}
