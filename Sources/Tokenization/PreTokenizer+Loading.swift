extension PreTokenizer {
  /// Pre-tokenizers of pre-tokenizers are refused beyond this depth.
  private static let maximumDepth = 8

  /// Reads `pre_tokenizer` of a tokenizer file: `ByteLevel`, alone or as the last of a `Sequence` of `Split` and
  /// `Digits`.
  init(_ node: FileNode) throws {
    var ended = false
    try add(node, depth: 0, ended: &ended)
    guard ended else {
      throw node.error("a byte-level tokenizer needs a ByteLevel pre-tokenizer; others are not supported yet")
    }
  }

  private mutating func add(_ node: FileNode, depth: Int, ended: inout Bool) throws {
    guard depth < Self.maximumDepth else { throw node.error("nested deeper than \(Self.maximumDepth) levels") }
    let type = try node.type()
    if ended { throw node.error("nothing may follow ByteLevel, found \(type)") }
    switch type {
    case "Sequence":
      for child in try node.required("pretokenizers").elements() { try add(child, depth: depth + 1, ended: &ended) }
    case "ByteLevel":
      addsPrefixSpace = try node.flag("add_prefix_space", or: true)
      splitsBeforePrefixSpace = splits.count
      if try node.flag("use_regex", or: true) {
        let pattern = try RegularExpression(Self.gpt2Pattern, isLiteral: false, place: "\(node.place): \(node.path)")
        splits.append(TextSplit(pattern: pattern, behaviour: .isolated, inverted: false))
      }
      ended = true
    case "Digits":
      let pattern = try RegularExpression(#"\p{N}"#, isLiteral: false, place: "\(node.place): \(node.path)")
      let behaviour: SplitBehaviour = try node.flag("individual_digits", or: false) ? .isolated : .contiguous
      splits.append(TextSplit(pattern: pattern, behaviour: behaviour, inverted: false))
    case "Split":
      splits.append(try Self.split(node))
    default:
      throw node.error(
        "the pre-tokenizer \(type) is not supported; supported are Sequence, Split, Digits and ByteLevel")
    }
  }

  private static func split(_ node: FileNode) throws -> TextSplit {
    let name = try node.required("behavior")
    guard let behaviour = SplitBehaviour(rawValue: try name.string()) else {
      throw name.error(
        "expected Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous, found \"\(try name.string())\"")
    }
    let source = try node.required("pattern")
    let pattern: RegularExpression
    if let text = source["Regex"] {
      pattern = try RegularExpression(text.string(), isLiteral: false, place: "\(text.place): \(text.path)")
    } else if let text = source["String"] {
      pattern = try RegularExpression(text.string(), isLiteral: true, place: "\(text.place): \(text.path)")
    } else {
      throw source.error("expected {\"Regex\": …} or {\"String\": …}")
    }
    return TextSplit(pattern: pattern, behaviour: behaviour, inverted: try node.flag("invert", or: false))
  }
}
