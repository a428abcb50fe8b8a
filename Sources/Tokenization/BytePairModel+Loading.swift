extension BytePairModel {
  /// Reads `model` of a tokenizer file.
  ///
  /// - Parameter readsBytes: words will be raw bytes, to be spelled in the byte alphabet.
  init(_ node: FileNode, vocabulary: Vocabulary, readsBytes: Bool) throws {
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
      if let node = node[key], try !node.string().isEmpty { throw node.error("a \(key) is not supported") }
    }
    if let dropout = node["dropout"], dropout.value.double != 0 {
      throw dropout.error("dropout is not supported: the same text must give the same tokens")
    }
    let alphabet = ByteAlphabet()
    self.alphabet = alphabet
    self.readsBytes = readsBytes
    self.vocabulary = vocabulary
    var text: [UInt8] = []
    byteTokens = (0...255).map { byte -> Int32 in
      text.removeAll()
      if readsBytes { alphabet.append(UInt8(byte), to: &text) } else if byte < 0x80 { text.append(UInt8(byte)) }
      return text.withUnsafeBufferPointer { vocabulary.id(of: $0) } ?? -1
    }
    fallbackTokens = try node.flag("byte_fallback", or: false) ? Self.fallbackTokens(vocabulary) : []
    var unknown: Int32?
    if let name = node["unk_token"] {
      unknown = vocabulary.id(of: try name.string())
      if unknown == nil { throw name.error("the token \"\(try name.string())\" is not in model.vocab") }
    }
    unknownToken = unknown
    fusesUnknown = try node.flag("fuse_unk", or: false)
    ignoresMerges = try node.flag("ignore_merges", or: false)
    let mark = Array("\u{2581}".utf8)
    let isMarkKnown = mark.withUnsafeBufferPointer { vocabulary.id(of: $0) } != nil
    let (merges, joinsMark) = try Self.merges(node.required("merges"), vocabulary: vocabulary, mark: mark)
    self.merges = merges
    cutMark = !readsBytes && !ignoresMerges && isMarkKnown && !joinsMark ? mark : []
  }

  /// The tokens `<0x00>` … `<0xFF>`; -1 for those that are missing.
  static func fallbackTokens(_ vocabulary: Vocabulary) -> [Int32] {
    (0...255).map { byte in
      let digits = String(byte, radix: 16, uppercase: true)
      return vocabulary.id(of: "<0x\(digits.utf8.count < 2 ? "0" : "")\(digits)>") ?? -1
    }
  }

  /// Merges as `"a b"` or as `["a", "b"]`, and whether one of them joins `mark` to another character before it.
  private static func merges(
    _ node: FileNode, vocabulary: Vocabulary, mark: [UInt8]
  ) throws -> (table: MergeTable, joinsMark: Bool) {
    guard let list = node.value.array else { throw node.error("expected a list, found \(node.value.kind)") }
    guard list.count < Int(UInt32.max) else { throw node.error("\(list.count) merges are too many") }
    var table = MergeTable(capacity: list.count)
    var joinsMark = false
    var joined: [UInt8] = []
    for (rank, value) in list.enumerated() {
      func id(_ bytes: UnsafeBufferPointer<UInt8>) throws -> Int32 {
        if let id = vocabulary.id(of: bytes) { return id }
        throw node.element(rank, value)
          .error("the token \"\(String(decoding: bytes, as: UTF8.self))\" is not in model.vocab")
      }
      joined.removeAll(keepingCapacity: true)
      var middle = 0
      switch value {
      case .string(var pair):
        if pair.utf8.starts(with: "#version".utf8) { continue }
        try pair.withUTF8 { text in
          let blank = text.firstIndex(of: UInt8(ascii: " ")) ?? 0
          joined.append(contentsOf: text[..<blank])
          middle = blank
          guard blank + 1 < text.count, !text[(blank + 1)...].contains(UInt8(ascii: " ")) else {
            throw node.element(rank, value).error("expected two tokens and one blank between them")
          }
          joined.append(contentsOf: text[(blank + 1)...])
        }
      case .array(let pair) where pair.count == 2:
        guard case .string(var left) = pair[0], case .string(var right) = pair[1] else { fallthrough }
        left.withUTF8 { joined.append(contentsOf: $0) }
        middle = joined.count
        right.withUTF8 { joined.append(contentsOf: $0) }
      default:
        throw node.element(rank, value).error("expected \"left right\" or [\"left\", \"right\"]")
      }
      guard middle > 0, middle < joined.count else {
        throw node.element(rank, value).error("expected two tokens, \"left right\"")
      }
      try joined.withUnsafeBufferPointer { text in
        let left = UnsafeBufferPointer(rebasing: text[..<middle])
        let right = UnsafeBufferPointer(rebasing: text[middle...])
        if right.starts(with: mark), !left.suffix(mark.count).elementsEqual(mark) { joinsMark = true }
        table.set(try id(left), try id(right), MergeTable.Merge(rank: UInt32(rank), result: try id(text)))
      }
    }
    return (table, joinsMark)
  }
}
