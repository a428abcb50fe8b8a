import OrderedJSON
import RunFolder

/// `tokenizer.ggml.model` = `llama`: BPE as SentencePiece does it, blanks written ▁ and unknown characters as bytes.
///
/// The file has scores where a tokenizer.json has merges. SentencePiece joins the pair whose joint has the highest score, so
/// the merges are all cuts of every token into two others, best token first; of one token, as transformers orders them,
/// those with the longest left part first.
extension GGUFTokenizer {
  struct SentencePiece {
    /// Whether a blank is put before a text.
    let addsPrefix: Bool
    /// Gemma's scores do not rank its tokens for merging, their order does; and its runs of blanks are ordinary tokens.
    let isGemma: Bool
    let scores: [Double]

    init(_ file: GGUFFile, tokenCount: Int) throws {
      for key in ["remove_extra_whitespaces", "precompiled_charsmap"] {
        let key = "tokenizer.ggml.\(key)"
        guard let value = file.metadata[key], value != .bool(false) else { continue }
        throw file.failure("metadata \(key) is set, which is not supported for tokenizer model llama")
      }
      addsPrefix = try file.bool("tokenizer.ggml.add_space_prefix") ?? true
      isGemma = try file.string("general.architecture")?.hasPrefix("gemma") == true
      if isGemma {
        scores = (0..<tokenCount).map { -Double($0) }
        return
      }
      guard case .numbers(let scores) = file.metadata["tokenizer.ggml.scores"] else {
        throw file.failure("metadata tokenizer.ggml.scores is missing or no list of numbers")
      }
      guard scores.count == tokenCount, scores.allSatisfy({ !$0.isNaN }) else {
        throw file.failure("metadata tokenizer.ggml.scores must hold \(tokenCount) numbers, found \(scores.count)")
      }
      self.scores = scores
    }

    var normalizer: JSONValue {
      let replace: JSONValue = ["type": "Replace", "pattern": ["String": " "], "content": "▁"]
      guard addsPrefix else { return replace }
      return ["type": "Sequence", "normalizers": [["type": "Prepend", "prepend": "▁"], replace]]
    }

    var preTokenizer: JSONValue {
      guard isGemma else { return .null }
      return ["type": "Split", "pattern": ["String": " "], "behavior": "MergedWithPrevious", "invert": false]
    }

    var decoder: JSONValue {
      var parts: [JSONValue] = [
        ["type": "Replace", "pattern": ["String": "▁"], "content": " "], ["type": "ByteFallback"], ["type": "Fuse"],
      ]
      if addsPrefix { parts.append(["type": "Strip", "content": " ", "start": 1, "stop": 0]) }
      return ["type": "Sequence", "decoders": .array(parts)]
    }
  }

  /// Runs of blanks as the normalizer leaves them; other tokens unchanged.
  static func respelled(_ tokens: [String]) -> [String] {
    tokens.map { token in
      let isBlank = !token.isEmpty && token.utf8.allSatisfy { $0 == UInt8(ascii: " ") }
      return isBlank ? String(repeating: "▁", count: token.utf8.count) : token
    }
  }

  /// `left right` for every cut, in the order in which they are preferred.
  static func merges(_ tokens: [String], kinds: [TokenKind], scores: [Double]) -> [String] {
    // A text has no blanks left when it is cut into tokens, so tokens that have some are never made by merging.
    let isPart = zip(tokens, kinds).map { token, kind in
      (kind == .normal || kind == .userDefined) && !token.utf8.contains(UInt8(ascii: " "))
    }
    let table = PieceTable(tokens, isPart: isPart)
    struct Ranked {
      let score: Double
      let token: Int
      let cut: PieceTable.Cut
    }
    var ranked: [Ranked] = []
    for token in tokens.indices {
      for cut in table.cuts(of: token) { ranked.append(Ranked(score: scores[token], token: token, cut: cut)) }
    }
    // Tokens of one score are interleaved by the lengths of their parts.
    let lengths = tokens.map(\.unicodeScalars.count)
    ranked.sort { first, second in
      if first.score != second.score { return first.score > second.score }
      if first.cut.leftLength != second.cut.leftLength { return first.cut.leftLength > second.cut.leftLength }
      let (right, otherRight) = (lengths[Int(first.cut.right)], lengths[Int(second.cut.right)])
      return right == otherRight ? first.token < second.token : right > otherRight
    }
    return ranked.map { tokens[Int($0.cut.left)] + " " + tokens[Int($0.cut.right)] }
  }
}
