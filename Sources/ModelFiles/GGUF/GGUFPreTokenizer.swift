import OrderedJSON

/// How text is cut before byte pairs are merged, by the name that llama.cpp gave it (`tokenizer.ggml.pre`).
///
/// Each case is what the tokenizer.json of the model family says. Regular expressions are the published ones of GPT-4
/// (cl100k) and GPT-4o (o200k); families differ in digits and in whether a contraction such as `'ll` is cut off.
enum GGUFPreTokenizer: CaseIterable {
  case gpt2
  /// SmolLM, SmolLM2, StarCoder, Granite 3.
  case digits
  case llama3
  /// Llama 3's without a begin token: SmolLM3.
  case smaug
  /// cl100k as it is: Phi-4, OLMo 2.
  case dbrx
  /// Also Qwen 3.
  case qwen2
  /// o200k as it is: Phi-4-mini.
  case gpt4o
  /// Mistral NeMo and Small.
  case tekken

  init?(name: String) {
    guard let found = Self.allCases.first(where: { $0.names.contains(name) }) else { return nil }
    self = found
  }

  static var knownNames: [String] { allCases.flatMap(\.names) }

  private var names: [String] {
    switch self {
    case .gpt2: ["gpt-2"]
    case .digits: ["smollm", "starcoder", "refact"]
    case .llama3: ["llama-bpe", "llama3", "llama-v3"]
    case .smaug: ["smaug-bpe"]
    case .dbrx: ["dbrx"]
    case .qwen2: ["qwen2"]
    case .gpt4o: ["gpt-4o"]
    case .tekken: ["tekken"]
    }
  }

  /// Whether a text starts with the begin token when the file does not say.
  var addsBeginToken: Bool { self == .llama3 || self == .tekken }

  /// Whether a word that is a token is taken whole, without trying merges.
  var ignoresMerges: Bool {
    switch self {
    case .llama3, .smaug, .tekken: true
    case .gpt2, .digits, .dbrx, .qwen2, .gpt4o: false
    }
  }

  var normalizer: JSONValue { self == .qwen2 ? ["type": "NFC"] : .null }

  /// The `pre_tokenizer` of a tokenizer.json.
  var json: JSONValue {
    switch self {
    case .gpt2: Self.byteLevel(addPrefixSpace: false, useRegex: true)
    case .digits:
      Self.sequence(
        ["type": "Digits", "individual_digits": true], Self.byteLevel(addPrefixSpace: false, useRegex: true))
    case .llama3, .smaug, .dbrx: Self.split(Self.cl100k(digits: Self.threeDigits))
    case .qwen2: Self.split(Self.cl100k(digits: Self.oneDigit))
    case .gpt4o: Self.split(Self.o200k(digits: Self.threeDigits, contractions: Self.contractions + "?"))
    case .tekken: Self.split(Self.o200k(digits: Self.oneDigit, contractions: ""))
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

  private static let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
  private static let oneDigit = #"\p{N}"#
  private static let threeDigits = #"\p{N}{1,3}"#
  private static let blanks = [#"\s*[\r\n]+"#, #"\s+(?!\S)"#, #"\s+"#]

  /// The alternatives of cl100k: contractions, words, digits, other characters with the line ends after them, blanks.
  private static func cl100k(digits: String) -> [String] {
    [contractions, #"[^\r\n\p{L}\p{N}]?\p{L}+"#, digits, #" ?[^\s\p{L}\p{N}]+[\r\n]*"#] + blanks
  }

  /// The alternatives of o200k, which cuts where a small letter is followed by a capital and leaves contractions with their
  /// word.
  private static func o200k(digits: String, contractions: String) -> [String] {
    let before = #"[^\r\n\p{L}\p{N}]?"#
    let (capital, small) = (#"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#, #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#)
    return [
      "\(before)\(capital)*\(small)+\(contractions)", "\(before)\(capital)+\(small)*\(contractions)", digits,
      #" ?[^\s\p{L}\p{N}]+[\r\n/]*"#,
    ] + blanks
  }

  private static func split(_ alternatives: [String]) -> JSONValue {
    let pattern = alternatives.joined(separator: "|")
    return sequence(
      ["type": "Split", "pattern": ["Regex": .string(pattern)], "behavior": "Isolated", "invert": false],
      byteLevel(addPrefixSpace: false, useRegex: false))
  }
}
