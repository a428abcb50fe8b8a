extension Normalizer {
  /// Reads `normalizer` of a tokenizer file.
  static func read(_ node: FileNode, depth: Int = 0) throws -> Normalizer {
    guard depth < 8 else { throw node.error("nested deeper than 8 levels") }
    switch try node.type() {
    case "NFC": return .form(.composed)
    case "NFD": return .form(.decomposed)
    case "NFKC": return .form(.compatiblyComposed)
    case "NFKD": return .form(.compatiblyDecomposed)
    case "Lowercase": return .lowercase
    case "Strip", "StripNormalizer":
      return .strip(left: try node.flag("strip_left", or: true), right: try node.flag("strip_right", or: true))
    case "StripAccents": return .stripAccents
    case "Replace": return .replace(try TextReplacement(node))
    case "Prepend": return .prepend(Array(try node.required("prepend").string().utf8))
    case "Nmt": return .nmt
    case "ByteLevel": return .byteLevel(ByteAlphabet())
    case "Precompiled": return .characterMap(try CharacterMap(node.required("precompiled_charsmap")))
    case "Sequence":
      return .sequence(try node.required("normalizers").elements().map { try read($0, depth: depth + 1) })
    case let type: throw node.error("the normalizer \(type) is not supported")
    }
  }
}
