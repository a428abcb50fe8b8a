import OrderedJSON
import RunFolder

/// A checked tokenizer file.
struct TokenizerFile {
  let model: TokenModel
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
    let type = try model["type"]?.string() ?? "BPE"
    guard type == "BPE" || type == "Unigram" else {
      throw model.error("the model \(type) is not supported; supported are BPE and Unigram")
    }
    let normalizer = try file["normalizer"].map { try Normalizer.read($0) }
    self.normalizer = normalizer
    var preTokenizer = try PreTokenizer(file["pre_tokenizer"])
    postProcessor = try PostProcessor(file["post_processor"])
    let steps = try file["decoder"].map { try DecodingStep.read($0) }

    let added = try file["added_tokens"]?.elements() ?? []
    var vocabulary: Vocabulary
    if type == "BPE" {
      let readsBytes = preTokenizer.dropByteAlphabet()
      vocabulary = try Self.vocabulary(model.required("vocab"), addedCount: added.count)
      self.model = .bytePair(try BytePairModel(model, vocabulary: vocabulary, readsBytes: readsBytes))
    } else {
      let scores: [Double]
      (vocabulary, scores) = try Self.scoredVocabulary(model.required("vocab"), addedCount: added.count)
      self.model = .unigram(try UnigramModel(model, vocabulary: vocabulary, scores: scores))
    }
    self.preTokenizer = preTokenizer
    var tokens: [AddedToken] = []
    for node in added {
      guard let token = try Self.addedToken(node, vocabulary: &vocabulary) else { continue }
      tokens.append(token)
    }
    addedTokens = tokens
    self.vocabulary = vocabulary
    for case .tokens(let ids) in postProcessor.parts {
      for id in ids where !vocabulary.contains(Int(id)) {
        throw file.error("post_processor adds the id \(id), which is no token")
      }
    }
    // `tokenizers` decodes an added token that is looked for in normalised text as normalised.
    let workspace = MatchWorkspace()
    var texts: [Int: [UInt8]] = [:]
    for token in tokens where token.isNormalized {
      texts[Int(token.id)] = try token.normalizedText(by: normalizer, workspace: workspace)
    }
    decoder = TokenDecoder(
      steps: steps, vocabulary: vocabulary, texts: texts, specialTokens: tokens.filter(\.isSpecial))
  }

  /// Ids index tables, so a stray one must not ask for more memory than the file accounts for.
  private static func idLimit(_ count: Int) -> Int { 4 * count + 65_536 }

  /// `{"text": id, …}`
  private static func vocabulary(_ entries: FileNode, addedCount: Int) throws -> Vocabulary {
    guard let members = entries.value.object else { throw entries.error("expected an object of tokens and ids") }
    guard !members.isEmpty else { throw entries.error("the vocabulary is empty") }
    let limit = idLimit(members.count + addedCount)
    var vocabulary = Vocabulary(capacity: members.count + addedCount, idLimit: limit)
    for (text, value) in members {
      guard let id = value.integer, id >= 0, id < limit else {
        throw entries.error("the token \"\(text)\" has no usable id: expected a whole number from 0 below \(limit)")
      }
      guard !vocabulary.contains(id) else { throw entries.error("the id \(id) is given to two tokens") }
      var text = text
      text.withUTF8 { vocabulary.add($0, id: id) }
    }
    return vocabulary
  }

  /// `[["text", score], …]`, in the order of ids.
  private static func scoredVocabulary(_ entries: FileNode, addedCount: Int) throws -> (Vocabulary, [Double]) {
    guard let list = entries.value.array else { throw entries.error("expected a list, found \(entries.value.kind)") }
    guard !list.isEmpty else { throw entries.error("the vocabulary is empty") }
    let count = list.count + addedCount
    var vocabulary = Vocabulary(capacity: count, idLimit: idLimit(count))
    var scores: [Double] = []
    scores.reserveCapacity(list.count)
    for (id, value) in list.enumerated() {
      guard case .array(let pair) = value, pair.count == 2, case .string(var text) = pair[0],
        let score = pair[1].double, score.isFinite
      else {
        throw entries.element(id, value).error("expected a text and its score")
      }
      text.withUTF8 { vocabulary.add($0, id: id) }
      scores.append(peerScore(score))
    }
    return (vocabulary, scores)
  }

  /// A score as `tokenizers` reads it from the file: its JSON reader divides the digits, taken as a whole number, by a
  /// power of ten, which may miss the nearest number by one unit in the last place. Equal sums of scores are common
  /// (runs of one character), and their order hangs on that unit.
  private static func peerScore(_ score: Double) -> Double {
    var digits: UInt64 = 0
    var exponent = 0
    var isFraction = false
    let parts = score.magnitude.description.split(separator: "e")
    for byte in parts[0].utf8 {
      if byte == UInt8(ascii: ".") {
        isFraction = true
      } else {
        let (product, overflow) = digits.multipliedReportingOverflow(by: 10)
        guard !overflow else { return score }
        digits = product + UInt64(byte & 0x0F)
        if isFraction { exponent -= 1 }
      }
    }
    if parts.count > 1 { exponent += Int(parts[1]) ?? 0 }
    // Powers of ten up to here are the nearest numbers.
    guard abs(exponent) <= 308, let power = Double("1e\(abs(exponent))") else { return score }
    let value = exponent < 0 ? Double(digits) / power : Double(digits) * power
    return score < 0 ? -value : value
  }

  /// One of `added_tokens`, entered into the vocabulary when the model does not have it; nil when it has no text.
  private static func addedToken(_ node: FileNode, vocabulary: inout Vocabulary) throws -> AddedToken? {
    let content = try node.required("content").string()
    guard !content.isEmpty else { return nil }
    let idNode = try node.required("id")
    let id = try idNode.integer()
    let limit = vocabulary.idLimit
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
