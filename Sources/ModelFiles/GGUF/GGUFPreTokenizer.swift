import OrderedJSON

/// How text is cut before byte pairs are merged, by the name that llama.cpp gave it (`tokenizer.ggml.pre`).
///
/// Each case is what the tokenizer.json of the model family says. Regular expressions are the published ones of GPT-4's
/// cl100k (with one to three digits for Llama 3, single digits for Qwen 2).
enum GGUFPreTokenizer: CaseIterable {
  case gpt2, digits, llama3, qwen2

  init?(name: String) {
    guard let found = Self.allCases.first(where: { $0.names.contains(name) }) else { return nil }
    self = found
  }

  static var knownNames: [String] { allCases.flatMap(\.names) }

  private var names: [String] {
    switch self {
    case .gpt2: ["gpt-2"]
    case .digits: ["smollm", "starcoder"]
    case .llama3: ["llama-bpe", "llama3", "llama-v3"]
    case .qwen2: ["qwen2"]
    }
  }

  /// Whether a text starts with the begin token when the file does not say.
  var addsBeginToken: Bool { self == .llama3 }

  /// Whether a word that is a token is taken whole, without trying merges.
  var ignoresMerges: Bool { self == .llama3 }

  var normalizer: JSONValue { self == .qwen2 ? ["type": "NFC"] : .null }

  /// The `pre_tokenizer` of a tokenizer.json.
  var json: JSONValue {
    switch self {
    case .gpt2: Self.byteLevel(addPrefixSpace: false, useRegex: true)
    case .digits:
      Self.sequence(
        ["type": "Digits", "individual_digits": true], Self.byteLevel(addPrefixSpace: false, useRegex: true))
    case .llama3: Self.split(digits: #"\p{N}{1,3}"#)
    case .qwen2: Self.split(digits: #"\p{N}"#)
    }
  }

  static func byteLevel(addPrefixSpace: Bool, useRegex: Bool) -> JSONValue {
    [
      "type": "ByteLevel", "add_prefix_space": .bool(addPrefixSpace), "trim_offsets": true,
      "use_regex": .bool(useRegex),
    ]
  }

  private static func sequence(_ parts: JSONValue...) -> JSONValue {
    ["type": "Sequence", "pretokenizers": .array(parts)]
  }

  private static func split(digits: String) -> JSONValue {
    let pattern = [
      #"(?i:'s|'t|'re|'ve|'m|'ll|'d)"#, #"[^\r\n\p{L}\p{N}]?\p{L}+"#, digits, #" ?[^\s\p{L}\p{N}]+[\r\n]*"#,
      #"\s*[\r\n]+"#, #"\s+(?!\S)"#, #"\s+"#,
    ].joined(separator: "|")
    return sequence(
      ["type": "Split", "pattern": ["Regex": .string(pattern)], "behavior": "Isolated", "invert": false],
      byteLevel(addPrefixSpace: false, useRegex: false))
  }
}
