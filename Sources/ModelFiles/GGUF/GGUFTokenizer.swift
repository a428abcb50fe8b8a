import OrderedJSON
import RunFolder

/// The Hugging Face tokenizer files that a GGUF file's `tokenizer.*` metadata describe.
///
/// Known are byte-level BPE (`tokenizer.ggml.model` = `gpt2`) and SentencePiece's BPE (`llama`). What the metadata of the
/// former leave out, the pre-tokenizer's regular expression and the normaliser, is looked up by the name in
/// `tokenizer.ggml.pre`; what those of the latter leave out, the merges, is made from the scores.
struct GGUFTokenizer {
  private let file: GGUFFile
  private let tokens: [String]
  private let kinds: [TokenKind]
  private let model: Model
  private let addsBeginToken: Bool
  private let addsEndToken: Bool

  private enum Model {
    case byteLevel(GGUFPreTokenizer, merges: [String])
    case sentencePiece(SentencePiece)
  }

  /// Codes of `tokenizer.ggml.token_type`.
  enum TokenKind: Int {
    case normal = 1
    case unknown, control, userDefined, unused, byte
  }

  init(_ file: GGUFFile) throws {
    self.file = file
    let name = try file.required(file.string("tokenizer.ggml.model"), "tokenizer.ggml.model")
    let stored = try file.required(file.strings("tokenizer.ggml.tokens"), "tokenizer.ggml.tokens")
    kinds = try Self.kinds(file, count: stored.count)
    let begins = try file.bool("tokenizer.ggml.add_bos_token")
    addsEndToken = try file.bool("tokenizer.ggml.add_eos_token") ?? false
    switch name {
    case "gpt2":
      let (preTokenizer, merges) = try Self.byteLevel(file)
      model = .byteLevel(preTokenizer, merges: merges)
      tokens = stored
      addsBeginToken = begins ?? preTokenizer.addsBeginToken
    case "llama":
      let sentencePiece = try SentencePiece(file, tokenCount: stored.count)
      model = .sentencePiece(sentencePiece)
      tokens = sentencePiece.isGemma ? Self.respelled(stored) : stored
      addsBeginToken = begins ?? true
    default:
      throw file.failure(
        "tokenizer model \(name) is not supported; known are gpt2 (byte-level BPE) and llama (SentencePiece's BPE)")
    }
  }

  private static func byteLevel(_ file: GGUFFile) throws -> (GGUFPreTokenizer, merges: [String]) {
    let merges = try file.required(file.strings("tokenizer.ggml.merges"), "tokenizer.ggml.merges")
    guard merges.allSatisfy({ $0.utf8.dropFirst().contains(UInt8(ascii: " ")) }) else {
      throw file.failure("metadata tokenizer.ggml.merges must hold pairs separated by a blank")
    }
    let pre = try file.required(file.string("tokenizer.ggml.pre"), "tokenizer.ggml.pre")
    guard let preTokenizer = GGUFPreTokenizer(name: pre) else {
      let known = GGUFPreTokenizer.knownNames.joined(separator: ", ")
      throw file.failure("pre-tokenizer \(pre) is not supported; known are \(known)")
    }
    return (preTokenizer, merges)
  }

  private static func kinds(_ file: GGUFFile, count: Int) throws -> [TokenKind] {
    guard let codes = try file.integers("tokenizer.ggml.token_type") else {
      return Array(repeating: .normal, count: count)
    }
    guard codes.count == count else {
      throw file.failure("metadata tokenizer.ggml.token_type has \(codes.count) entries, expected \(count)")
    }
    return try codes.map { code in
      guard let kind = TokenKind(rawValue: code) else {
        throw file.failure("metadata tokenizer.ggml.token_type holds \(code), expected 1 to 6")
      }
      return kind
    }
  }

  /// The text of the token that a key such as `tokenizer.ggml.eos_token_id` names.
  private func token(_ key: String) throws -> String? {
    guard let id = try file.integer("tokenizer.ggml.\(key)_token_id") else { return nil }
    guard tokens.indices.contains(id) else {
      throw file.failure("metadata tokenizer.ggml.\(key)_token_id is \(id), expected less than \(tokens.count)")
    }
    return tokens[id]
  }

  /// `tokenizer.json`.
  func tokenizerJSON() throws -> JSONValue {
    var vocabulary = JSONObject(minimumCapacity: tokens.count)
    var added: [JSONValue] = []
    for (id, token) in tokens.enumerated() {
      // Unused entries pad the embedding to a round size; the tokenizer never knew them.
      if kinds[id] == .unused { continue }
      guard vocabulary[token] == nil else {
        throw file.failure("metadata tokenizer.ggml.tokens holds \(token) twice")
      }
      vocabulary[token] = .integer(id)
      if isAdded(id) { added.append(Self.addedToken(token, id: id, special: kinds[id] != .userDefined)) }
    }
    return [
      "version": "1.0", "truncation": .null, "padding": .null, "added_tokens": .array(added),
      "normalizer": normalizer, "pre_tokenizer": preTokenizer, "post_processor": try postProcessor(),
      "decoder": decoder, "model": try bytePairs(vocabulary),
    ]
  }

  /// Tokens that are found in a text before anything else is.
  private func isAdded(_ id: Int) -> Bool {
    switch kinds[id] {
    case .control, .unknown: true
    // Runs of blanks are found by merging, since texts have ▁ in place of blanks by then.
    case .userDefined: !(isSentencePiece && tokens[id].unicodeScalars.allSatisfy { $0 == "▁" })
    case .normal, .unused, .byte: false
    }
  }

  private var isSentencePiece: Bool {
    if case .sentencePiece = model { true } else { false }
  }

  private var normalizer: JSONValue {
    switch model {
    case .byteLevel(let preTokenizer, _): preTokenizer.normalizer
    case .sentencePiece(let sentencePiece): sentencePiece.normalizer
    }
  }

  private var preTokenizer: JSONValue {
    switch model {
    case .byteLevel(let preTokenizer, _): preTokenizer.json
    case .sentencePiece(let sentencePiece): sentencePiece.preTokenizer
    }
  }

  private var decoder: JSONValue {
    switch model {
    case .byteLevel: GGUFPreTokenizer.byteLevel(addPrefixSpace: true, useRegex: true)
    case .sentencePiece(let sentencePiece): sentencePiece.decoder
    }
  }

  private func bytePairs(_ vocabulary: JSONObject) throws -> JSONValue {
    var members: JSONObject = [
      "type": "BPE", "dropout": .null, "unk_token": .null, "continuing_subword_prefix": .null,
      "end_of_word_suffix": .null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
      "vocab": .object(vocabulary),
    ]
    switch model {
    case .byteLevel(let preTokenizer, let merges):
      members["ignore_merges"] = .bool(preTokenizer.ignoresMerges)
      members["merges"] = .array(merges.map(JSONValue.string))
    case .sentencePiece(let sentencePiece):
      members["unk_token"] = try token("unknown").map(JSONValue.string) ?? .null
      members["fuse_unk"] = true
      members["byte_fallback"] = true
      members["merges"] = .array(
        Self.merges(tokens, kinds: kinds, scores: sentencePiece.scores).map(JSONValue.string))
    }
    return .object(members)
  }

  private static func addedToken(_ token: String, id: Int, special: Bool) -> JSONValue {
    [
      "id": .integer(id), "content": .string(token), "single_word": false, "lstrip": false, "rstrip": false,
      "normalized": false, "special": .bool(special),
    ]
  }

  private func postProcessor() throws -> JSONValue {
    let begin = addsBeginToken ? try token("bos") : nil
    let end = addsEndToken ? try token("eos") : nil
    guard begin != nil || end != nil else { return .null }
    func special(_ token: String?, _ type: Int) -> [JSONValue] {
      token.map { [["SpecialToken": ["id": .string($0), "type_id": .integer(type)]]] } ?? []
    }
    func sequence(_ name: String, _ type: Int) -> [JSONValue] {
      special(begin, type) + [["Sequence": ["id": .string(name), "type_id": .integer(type)]]] + special(end, type)
    }
    var specialTokens: JSONObject = [:]
    for (token, key) in [(begin, "bos"), (end, "eos")] {
      guard let token, let id = try file.integer("tokenizer.ggml.\(key)_token_id") else { continue }
      specialTokens[token] = ["id": .string(token), "ids": [.integer(id)], "tokens": [.string(token)]]
    }
    return [
      "type": "TemplateProcessing", "single": .array(sequence("A", 0)),
      "pair": .array(sequence("A", 0) + sequence("B", 1)), "special_tokens": .object(specialTokens),
    ]
  }

  /// `special_tokens_map.json`.
  func specialTokensMap() throws -> JSONValue {
    var members: JSONObject = [:]
    for (name, key) in [("bos_token", "bos"), ("eos_token", "eos"), ("pad_token", "padding"), ("unk_token", "unknown")]
    {
      if let token = try token(key) { members[name] = .string(token) }
    }
    return .object(members)
  }

  /// `tokenizer_config.json`, the chat template included.
  func tokenizerConfiguration() throws -> JSONValue {
    var members: JSONObject = [
      "add_bos_token": .bool(addsBeginToken), "add_eos_token": .bool(addsEndToken), "add_prefix_space": false,
    ]
    if case .sentencePiece(let sentencePiece) = model {
      members["add_prefix_space"] = .bool(sentencePiece.addsPrefix)
    }
    var decoder: JSONObject = [:]
    for (id, token) in tokens.enumerated() where isAdded(id) {
      guard case .object(var entry) = Self.addedToken(token, id: id, special: kinds[id] != .userDefined) else {
        continue
      }
      entry["id"] = nil
      decoder[String(id)] = .object(entry)
    }
    members["added_tokens_decoder"] = .object(decoder)
    for (name, token) in try specialTokensMap().object ?? [:] { members[name] = token }
    if let template = try file.string("tokenizer.chat_template") { members["chat_template"] = .string(template) }
    members["clean_up_tokenization_spaces"] = false
    if let architecture = try file.string("general.architecture"),
      let length = try file.integer("\(architecture).context_length")
    {
      members["model_max_length"] = .integer(length)
    }
    // The generic class takes tokenizer.json as it is; GPT2Tokenizer of transformers 5 would build its own pre-tokenizer.
    members["tokenizer_class"] = "PreTrainedTokenizerFast"
    return .object(members)
  }
}
