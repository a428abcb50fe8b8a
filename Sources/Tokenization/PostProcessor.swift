/// What is put around the tokens of a text when special tokens are wanted.
struct PostProcessor: Sendable {
  enum Part: Sendable {
    case text
    case tokens([Int32])
  }

  /// In order; plain text alone by default.
  var parts: [Part] = [.text]

  /// Reads `post_processor` of a tokenizer file: `ByteLevel` (which only moves offsets), `TemplateProcessing`, or a
  /// `Sequence` with at most one template.
  init(_ node: FileNode?) throws {
    if let node { try read(node, depth: 0) }
  }

  private mutating func read(_ node: FileNode, depth: Int) throws {
    guard depth < 8 else { throw node.error("nested deeper than 8 levels") }
    switch try node.type() {
    case "ByteLevel": return
    case "Sequence":
      for child in try node.required("processors").elements() { try read(child, depth: depth + 1) }
    case "TemplateProcessing":
      if case .text = parts[0], parts.count == 1 {
        parts = try Self.template(node)
      } else {
        throw node.error("a second template is not supported")
      }
    case let type:
      throw node.error(
        "the post-processor \(type) is not supported; supported are ByteLevel, TemplateProcessing and Sequence")
    }
  }

  private static func template(_ node: FileNode) throws -> [Part] {
    var parts: [Part] = []
    for piece in try node.required("single").elements() {
      if let special = piece["SpecialToken"] {
        let name = try special.required("id").string()
        let list = try node.required("special_tokens").required(name).required("ids")
        parts.append(
          .tokens(
            try list.elements().map { element in
              guard let id = Int32(exactly: try element.integer()), id >= 0 else {
                throw element.error("expected a token id")
              }
              return id
            }))
      } else if let sequence = piece["Sequence"] {
        let name = try sequence.required("id")
        guard try name.string() == "A" else { throw name.error("a template of one text has the sequence \"A\" alone") }
        parts.append(.text)
      } else {
        throw piece.error("expected {\"SpecialToken\": …} or {\"Sequence\": …}")
      }
    }
    return parts
  }
}
