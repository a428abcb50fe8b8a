/// Puts one text in the place of whatever a pattern matches.
struct TextReplacement: Sendable {
  let pattern: RegularExpression
  /// The pattern when it is a single byte, which needs no matcher.
  let byte: UInt8?
  let content: [UInt8]

  /// Reads `pattern` and `content` of a `Replace`, normaliser or decoder.
  init(_ node: FileNode) throws {
    let source = try node.required("pattern")
    pattern = try RegularExpression(source)
    let literal = try source["String"].map { try $0.string().utf8 }
    byte = literal.flatMap { $0.count == 1 ? $0.first : nil }
    content = Array(try node.required("content").string().utf8)
  }

  func leaves(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    text.isEmpty || byte.map { !text.contains($0) } ?? false
  }

  func apply(to text: inout NormalizedText, workspace: MatchWorkspace) throws {
    var output: [UInt8] = []
    output.reserveCapacity(text.bytes.count + text.bytes.count / 2)
    let inputOrigin = text.originCount
    var origin = inputOrigin
    try text.bytes.withUnsafeBufferPointer { bytes in
      try forEachPart(of: bytes, workspace: workspace) { part in
        guard part.matches else { return output.append(contentsOf: bytes[part.range]) }
        if part.range.lowerBound < inputOrigin {
          // What is put in stems from the last character of the match.
          if part.range.isEmpty || TextEdges.startOfLastCharacter(bytes[part.range]) < inputOrigin {
            origin += content.count - part.range.count
          } else {
            origin -= inputOrigin - part.range.lowerBound
          }
        }
        output.append(contentsOf: content)
      }
    }
    text.bytes = output
    text.originCount = max(0, min(origin, output.count))
  }

  /// The text with replacements.
  func applied(to text: UnsafeBufferPointer<UInt8>, workspace: MatchWorkspace) throws -> [UInt8] {
    var output: [UInt8] = []
    try forEachPart(of: text, workspace: workspace) { part in
      if part.matches { output.append(contentsOf: content) } else { output.append(contentsOf: text[part.range]) }
    }
    return output
  }

  @inline(__always)
  private func forEachPart(
    of text: UnsafeBufferPointer<UInt8>, workspace: MatchWorkspace, _ body: (TextSplit.Part) throws -> Void
  ) throws {
    guard let byte else {
      let split = TextSplit(matcher: .pattern(pattern), behaviour: .isolated, inverted: false)
      return try split.forEachPart(of: text, workspace: workspace, body)
    }
    var covered = 0
    for index in 0..<text.count where text[index] == byte {
      if covered < index { try body(TextSplit.Part(range: covered..<index, matches: false)) }
      try body(TextSplit.Part(range: index..<index + 1, matches: true))
      covered = index + 1
    }
    if covered < text.count { try body(TextSplit.Part(range: covered..<text.count, matches: false)) }
  }
}
