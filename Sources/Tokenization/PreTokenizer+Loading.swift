extension PreTokenizer {
  /// Pre-tokenizers of pre-tokenizers are refused beyond this depth.
  private static let maximumDepth = 8
  /// Each of them may double the bytes of a text.
  private static let maximumByteAlphabets = 4

  /// Reads `pre_tokenizer` of a tokenizer file; without one the text is one word.
  init(_ node: FileNode?) throws {
    if let node { try add(node, depth: 0) }
  }

  /// Takes the byte alphabet off the end, for a model that reads bytes as they are. False when it is not there, or also
  /// elsewhere.
  mutating func dropByteAlphabet() -> Bool {
    let places = stages.indices.filter { if case .byteAlphabet = stages[$0] { true } else { false } }
    guard places == [stages.count - 1] else { return false }
    stages.removeLast()
    return true
  }

  private mutating func add(_ node: FileNode, depth: Int) throws {
    guard depth < Self.maximumDepth else { throw node.error("nested deeper than \(Self.maximumDepth) levels") }
    func cut(_ matcher: SplitMatcher, _ behaviour: SplitBehaviour, inverted: Bool = false) {
      stages.append(.split(TextSplit(matcher: matcher, behaviour: behaviour, inverted: inverted)))
    }
    func pattern(_ text: String) throws -> SplitMatcher {
      .pattern(try RegularExpression(text, isLiteral: false, place: "\(node.place): \(node.path)"))
    }
    switch try node.type() {
    case "Sequence":
      for child in try node.required("pretokenizers").elements() { try add(child, depth: depth + 1) }
    case "ByteLevel":
      let before = stages.count { if case .byteAlphabet = $0 { true } else { false } }
      guard before < Self.maximumByteAlphabets else {
        throw node.error("more than \(Self.maximumByteAlphabets) ByteLevel pre-tokenizers after one another")
      }
      if try node.flag("add_prefix_space", or: true) { stages.append(.blankBefore) }
      if try node.flag("use_regex", or: true) { cut(try pattern(Self.gpt2Pattern), .isolated) }
      stages.append(.byteAlphabet(ByteAlphabet()))
    case "Digits":
      cut(try pattern(#"\p{N}"#), try node.flag("individual_digits", or: false) ? .isolated : .contiguous)
    case "Split":
      cut(
        .pattern(try RegularExpression(node.required("pattern"))), try Self.behaviour(node.required("behavior")),
        inverted: try node.flag("invert", or: false))
    case "Punctuation":
      cut(.punctuation, try node["behavior"].map { try Self.behaviour($0) } ?? .isolated)
    case "Whitespace":
      cut(.words, .removed, inverted: true)
    case "WhitespaceSplit": cut(.whiteSpace, .removed)
    case "CharDelimiterSplit":
      let delimiter = try node.required("delimiter")
      let text = try delimiter.string()
      guard text.unicodeScalars.count == 1 else { throw delimiter.error("expected one character, found \"\(text)\"") }
      cut(.character(Array(text.utf8)), .removed)
    case "Metaspace": stages.append(.metaspace(try Metaspace(node)))
    case "UnicodeScripts": stages.append(.scripts)
    case "FixedLength":
      let length = try node["length"]?.integer() ?? 5
      guard length > 0 else {
        throw (node["length"] ?? node).error("the length of pieces is \(length): expected 1 or more")
      }
      stages.append(.fixedLength(length))
    case let type: throw node.error("the pre-tokenizer \(type) is not supported")
    }
  }

  private static func behaviour(_ name: FileNode) throws -> SplitBehaviour {
    if let behaviour = SplitBehaviour(rawValue: try name.string()) { return behaviour }
    throw name.error(
      "expected Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous, found \"\(try name.string())\"")
  }
}
