import OrderedJSON
import RunFolder

/// The Hugging Face tokenizer files that a GGUF file's `tokenizer.*` metadata describe.
///
/// Only byte-level BPE (`tokenizer.ggml.model` = `gpt2`) is known. What the metadata leave out, the pre-tokenizer's regular
/// expression and the normaliser, is looked up by the name in `tokenizer.ggml.pre`.
struct GGUFTokenizer {
  private let file: GGUFFile
  private let tokens: [String]
  private let kinds: [TokenKind]
  private let merges: [String]
  private let preTokenizer: GGUFPreTokenizer
  private let addsBeginToken: Bool

  /// Codes of `tokenizer.ggml.token_type`.
  enum TokenKind: Int {
    case normal = 1
    case unknown, control, userDefined, unused, byte
  }

  init(_ file: GGUFFile) throws {
    self.file = file
    let model = try file.required(file.string("tokenizer.ggml.model"), "tokenizer.ggml.model")
    guard model == "gpt2" else {
      throw file.failure("tokenizer model \(model) is not supported; known is gpt2 (byte-level BPE)")
    }
    tokens = try file.required(file.strings("tokenizer.ggml.tokens"), "tokenizer.ggml.tokens")
    merges = try file.required(file.strings("tokenizer.ggml.merges"), "tokenizer.ggml.merges")
    guard merges.allSatisfy({ $0.utf8.dropFirst().contains(UInt8(ascii: " ")) }) else {
      throw file.failure("metadata tokenizer.ggml.merges must hold pairs separated by a blank")
    }
    let pre = try file.required(file.string("tokenizer.ggml.pre"), "tokenizer.ggml.pre")
    guard let preTokenizer = GGUFPreTokenizer(name: pre) else {
      let known = GGUFPreTokenizer.knownNames.joined(separator: ", ")
      throw file.failure("pre-tokenizer \(pre) is not supported; known are \(known)")
    }
    self.preTokenizer = preTokenizer
    addsBeginToken = try file.bool("tokenizer.ggml.add_bos_token") ?? preTokenizer.addsBeginToken
    kinds = try Self.kinds(file, tokens: tokens)
  }

  private static func kinds(_ file: GGUFFile, tokens: [String]) throws -> [TokenKind] {
    guard let codes = try file.integers("tokenizer.ggml.token_type") else {
      return Array(repeating: .normal, count: tokens.count)
    }
    guard codes.count == tokens.count else {
      throw file.failure("metadata tokenizer.ggml.token_type has \(codes.count) entries, expected \(tokens.count)")
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
      guard [.control, .userDefined, .unknown].contains(kinds[id]) else { continue }
      added.append(Self.addedToken(token, id: id, special: kinds[id] != .userDefined))
    }
    return [
      "version": "1.0", "truncation": .null, "padding": .null, "added_tokens": .array(added),
      "normalizer": preTokenizer.normalizer, "pre_tokenizer": preTokenizer.json, "post_processor": try postProcessor(),
      "decoder": GGUFPreTokenizer.byteLevel(addPrefixSpace: true, useRegex: true),
      "model": [
        "type": "BPE", "dropout": .null, "unk_token": .null, "continuing_subword_prefix": .null,
        "end_of_word_suffix": .null, "fuse_unk": false, "byte_fallback": false,
        "ignore_merges": .bool(preTokenizer.ignoresMerges), "vocab": .object(vocabulary),
        "merges": .array(merges.map(JSONValue.string)),
      ],
    ]
  }

  private static func addedToken(_ token: String, id: Int, special: Bool) -> JSONValue {
    [
      "id": .integer(id), "content": .string(token), "single_word": false, "lstrip": false, "rstrip": false,
      "normalized": false, "special": .bool(special),
    ]
  }

  private func postProcessor() throws -> JSONValue {
    guard addsBeginToken, let begin = try token("bos"), let id = try file.integer("tokenizer.ggml.bos_token_id") else {
      return .null
    }
    func special(_ type: Int) -> JSONValue { ["SpecialToken": ["id": .string(begin), "type_id": .integer(type)]] }
    func sequence(_ name: String, _ type: Int) -> JSONValue {
      ["Sequence": ["id": .string(name), "type_id": .integer(type)]]
    }
    return [
      "type": "TemplateProcessing", "single": [special(0), sequence("A", 0)],
      "pair": [special(0), sequence("A", 0), special(1), sequence("B", 1)],
      "special_tokens": .object([
        begin: ["id": .string(begin), "ids": [.integer(id)], "tokens": [.string(begin)]]
      ]),
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
      "add_bos_token": .bool(addsBeginToken), "add_prefix_space": false,
    ]
    var decoder: JSONObject = [:]
    for (id, token) in tokens.enumerated() where [.control, .userDefined, .unknown].contains(kinds[id]) {
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
