import OrderedJSON
import RunFolder

/// A checked tokenizer file.
struct TokenizerFile {
  let model: BytePairModel
  let normalizer: Normalizer?
  let preTokenizer: PreTokenizer
  let postProcessor: PostProcessor
  let addedTokens: [AddedToken]
  /// Tokens of the model and added tokens.
  let vocabulary: Vocabulary
  let decoder: TokenDecoder

  init(_ file: FileNode) throws {
    guard file.value.object != nil else { throw file.error("expected an object, found \(file.value.kind)") }
    let model = try file.required("model")
    // Files of old leave the type out.
    if let type = model["type"], try type.string() != "BPE" {
      throw type.error("the model \(try type.string()) is not supported; supported is BPE")
    }
    try Self.refuseUnsupported(model)
    normalizer = try file["normalizer"].flatMap { try Normalizer.read($0) }
    guard let preTokenizer = file["pre_tokenizer"] else {
      throw file.error("the key \"pre_tokenizer\" is missing; a byte-level tokenizer needs ByteLevel there")
    }
    self.preTokenizer = try PreTokenizer(preTokenizer)
    postProcessor = try PostProcessor(file["post_processor"])
    let form = try TokenDecoder.Form.read(file["decoder"])

    let entries = try model.required("vocab")
    guard let members = entries.value.object else { throw entries.error("expected an object of tokens and ids") }
    guard !members.isEmpty else { throw entries.error("the vocabulary is empty") }
    let added = try file["added_tokens"]?.elements() ?? []
    // Ids index tables, so a stray one must not ask for more memory than the file accounts for.
    let limit = 4 * (members.count + added.count) + 65_536
    var vocabulary = Vocabulary(capacity: members.count + added.count, idLimit: limit)
    for (text, value) in members {
      guard let id = value.integer, id >= 0, id < limit else {
        throw entries.error("the token \"\(text)\" has no usable id: expected a whole number from 0 below \(limit)")
      }
      guard !vocabulary.contains(id) else { throw entries.error("the id \(id) is given to two tokens") }
      var text = text
      text.withUTF8 { vocabulary.add($0, id: id) }
    }
    self.model = try Self.model(model, vocabulary: vocabulary)
    var tokens: [AddedToken] = []
    for node in added {
      guard let token = try Self.addedToken(node, vocabulary: &vocabulary, limit: limit) else { continue }
      tokens.append(token)
    }
    addedTokens = tokens
    self.vocabulary = vocabulary
    for case .tokens(let ids) in postProcessor.parts {
      for id in ids where !vocabulary.contains(Int(id)) {
        throw file.error("post_processor adds the id \(id), which is no token")
      }
    }
    decoder = TokenDecoder(
      form: form, vocabulary: vocabulary, specialTokens: tokens.filter(\.isSpecial).map(\.id),
      alphabet: self.model.alphabet)
  }

  private static func refuseUnsupported(_ model: FileNode) throws {
    if try model.flag("byte_fallback", or: false) {
      throw model.error("byte_fallback is not supported yet; supported is byte-level BPE")
    }
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
      if let node = model[key], try !node.string().isEmpty { throw node.error("a \(key) is not supported") }
    }
    if let dropout = model["dropout"], dropout.value.double != 0 {
      throw dropout.error("dropout is not supported: the same text must give the same tokens")
    }
  }

  private static func model(_ node: FileNode, vocabulary: Vocabulary) throws -> BytePairModel {
    let alphabet = ByteAlphabet()
    var text: [UInt8] = []
    let byteTokens = (0...255).map { byte -> Int32 in
      text.removeAll()
      alphabet.append(UInt8(byte), to: &text)
      return text.withUnsafeBufferPointer { vocabulary.id(of: $0) } ?? -1
    }
    var unknown: Int32?
    if let name = node["unk_token"] {
      unknown = vocabulary.id(of: try name.string())
      if unknown == nil { throw name.error("the token \"\(try name.string())\" is not in model.vocab") }
    }
    return BytePairModel(
      vocabulary: vocabulary, merges: try merges(node.required("merges"), vocabulary: vocabulary), alphabet: alphabet,
      byteTokens: byteTokens, unknownToken: unknown, fusesUnknown: try node.flag("fuse_unk", or: false),
      ignoresMerges: try node.flag("ignore_merges", or: false))
  }

  /// Merges as `"a b"` or as `["a", "b"]`.
  private static func merges(_ node: FileNode, vocabulary: Vocabulary) throws -> MergeTable {
    guard let list = node.value.array else { throw node.error("expected a list, found \(node.value.kind)") }
    guard list.count < Int(UInt32.max) else { throw node.error("\(list.count) merges are too many") }
    var table = MergeTable(capacity: list.count)
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
      case .string(let pair):
        if pair.utf8.starts(with: "#version".utf8) { continue }
        for byte in pair.utf8 {
          if byte == UInt8(ascii: " ") {
            guard middle == 0 else { throw node.element(rank, value).error("expected two tokens and one blank") }
            middle = joined.count
          } else {
            joined.append(byte)
          }
        }
      case .array(let pair) where pair.count == 2:
        guard let left = pair[0].string, let right = pair[1].string else { fallthrough }
        joined += left.utf8
        middle = joined.count
        joined += right.utf8
      default:
        throw node.element(rank, value).error("expected \"left right\" or [\"left\", \"right\"]")
      }
      guard middle > 0, middle < joined.count else {
        throw node.element(rank, value).error("expected two tokens, \"left right\"")
      }
      try joined.withUnsafeBufferPointer { text in
        let left = try id(UnsafeBufferPointer(rebasing: text[..<middle]))
        let right = try id(UnsafeBufferPointer(rebasing: text[middle...]))
        table.set(left, right, MergeTable.Merge(rank: UInt32(rank), result: try id(text)))
      }
    }
    return table
  }

  /// One of `added_tokens`, entered into the vocabulary when the model does not have it; nil when it has no text.
  private static func addedToken(
    _ node: FileNode, vocabulary: inout Vocabulary, limit: Int
  ) throws -> AddedToken? {
    let content = try node.required("content").string()
    guard !content.isEmpty else { return nil }
    let idNode = try node.required("id")
    let id = try idNode.integer()
    guard id >= 0, id < limit else { throw idNode.error("the id \(id) is out of range: expected 0 up to \(limit - 1)") }
    if let known = vocabulary.id(of: content) {
      guard Int(known) == id else { throw idNode.error("the token \"\(content)\" already has the id \(known)") }
    } else {
      guard !vocabulary.contains(id) else {
        throw idNode.error("the id \(id) is given to two tokens, one of them \"\(content)\"")
      }
      var text = content
      text.withUTF8 { vocabulary.add($0, id: id) }
    }
    let isSpecial = try node.flag("special", or: false)
    return AddedToken(
      id: Int32(id), content: content, isSpecial: isSpecial,
      isNormalized: try node.flag("normalized", or: !isSpecial), stripsLeft: try node.flag("lstrip", or: false),
      stripsRight: try node.flag("rstrip", or: false), isSingleWord: try node.flag("single_word", or: false))
  }
}
