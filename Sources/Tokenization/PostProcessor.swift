/// What is put around the tokens of a text when special tokens are wanted.
struct PostProcessor: Sendable {
  enum Part: Sendable {
    case text
    case tokens([Int32])
  }

  /// In order; plain text alone by default.
  var parts: [Part] = [.text]

  /// Reads `post_processor` of a tokenizer file: `ByteLevel` (which only moves offsets), `TemplateProcessing`,
  /// `BertProcessing`, `RobertaProcessing`, or a `Sequence` with at most one of the last three.
  init(_ node: FileNode?) throws {
    if let node { try read(node, depth: 0) }
  }

  private mutating func read(_ node: FileNode, depth: Int) throws {
    guard depth < 8 else { throw node.error("nested deeper than 8 levels") }
    let type = try node.type()
    switch type {
    case "ByteLevel": return
    case "Sequence":
      for child in try node.required("processors").elements() { try read(child, depth: depth + 1) }
    case "TemplateProcessing", "BertProcessing", "RobertaProcessing":
      guard case .text = parts[0], parts.count == 1 else { throw node.error("a second template is not supported") }
      if type == "TemplateProcessing" {
        parts = try Self.template(node)
      } else {
        parts = [
          .tokens([try Self.token(node.required("cls"))]), .text, .tokens([try Self.token(node.required("sep"))]),
        ]
      }
    default: throw node.error("the post-processor \(type) is not supported")
    }
  }

  private static func id(_ node: FileNode) throws -> Int32 {
    guard let id = Int32(exactly: try node.integer()), id >= 0 else { throw node.error("expected a token id") }
    return id
  }

  /// A token as `["<s>", 0]`.
  private static func token(_ node: FileNode) throws -> Int32 {
    let pair = try node.elements()
    guard pair.count == 2 else { throw node.error("expected a token and its id") }
    return try id(pair[1])
  }

  private static func template(_ node: FileNode) throws -> [Part] {
    var parts: [Part] = []
    for piece in try node.required("single").elements() {
      if let special = piece["SpecialToken"] {
        let name = try special.required("id").string()
        let list = try node.required("special_tokens").required(name).required("ids")
        parts.append(.tokens(try list.elements().map { try id($0) }))
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
