/// One step from the texts of tokens to text.
enum DecodingStep: Sendable {
  /// Characters of the byte alphabet become bytes, and all tokens one text.
  case byteLevel(ByteAlphabet)
  /// Tokens `<0xHH>` become bytes, and runs of them text.
  case byteFallback
  /// All tokens become one text.
  case fuse
  /// Up to this many times a character is taken off either end of each token.
  case strip(character: [UInt8], start: Int, stop: Int)
  case replace(TextReplacement)
  /// The mark becomes a blank, except in the first token when a mark is put before texts.
  case metaspace(Metaspace)
}

/// Turns tokens back into text.
struct TokenDecoder: Sendable {
  /// In order; nil when the file names no decoder: texts of the vocabulary as they stand, with blanks between.
  let steps: [DecodingStep]?
  /// The text of each token; token `i` has `bytes[starts[i]..<starts[i + 1]]`. Spelled in bytes, not in the byte
  /// alphabet, where that is the only step.
  private let bytes: [UInt8]
  private let starts: [Int]
  private let isByteLevel: Bool
  /// Special, and left out when special tokens are.
  private let special: [Bool]
  private let skipped: [Bool]
  private let vocabulary: Vocabulary

  /// - Parameters:
  ///   - texts: the tokens that decoding writes otherwise than the vocabulary.
  ///   - specialTokens: added tokens that are special.
  init(steps: [DecodingStep]?, vocabulary: Vocabulary, texts: [Int: [UInt8]], specialTokens: [AddedToken]) {
    var alphabet: ByteAlphabet?
    if let steps, steps.count == 1, case .byteLevel(let found) = steps[0] { alphabet = found }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(vocabulary.byteCount)
    var starts = [0]
    let end = vocabulary.idEnd
    starts.reserveCapacity(end + 1)
    for id in 0..<end {
      if vocabulary.contains(id) {
        func append(_ text: UnsafeBufferPointer<UInt8>) {
          // A text with a character of no byte stands for itself as a whole.
          if let alphabet, alphabet.appendBytes(of: text, to: &bytes) { return }
          bytes.append(contentsOf: text)
        }
        if let text = texts[id] {
          text.withUnsafeBufferPointer(append)
        } else {
          vocabulary.withText(of: id, append)
        }
      }
      starts.append(bytes.count)
    }
    var special = [Bool](repeating: false, count: end)
    for token in specialTokens { special[Int(token.id)] = true }
    // `tokenizers` knows special tokens by the text that decoding writes, which normalisation may have changed.
    var skipped = special
    let contents = Set(specialTokens.map { Array($0.content.utf8) })
    for token in specialTokens {
      if let text = texts[Int(token.id)], !contents.contains(text) { skipped[Int(token.id)] = false }
    }
    self.steps = steps
    isByteLevel = alphabet != nil
    self.bytes = bytes
    self.starts = starts
    self.special = special
    self.skipped = skipped
    self.vocabulary = vocabulary
  }

  func isSpecial(_ id: Int32) -> Bool { id >= 0 && Int(id) < special.count && special[Int(id)] }

  /// The bytes that tokens stand for. Ids without a token are left out.
  func joined(_ tokens: some Sequence<Int32>, skippingSpecialTokens: Bool) -> [UInt8] {
    var output: [UInt8] = []
    let known = tokens.lazy.map { Int($0) }
      .filter { vocabulary.contains($0) && !(skippingSpecialTokens && skipped[$0]) }
    guard let steps else {
      var isFirst = true
      for id in known {
        if !isFirst { output.append(UInt8(ascii: " ")) }
        isFirst = false
        output.append(contentsOf: bytes[starts[id]..<starts[id + 1]])
      }
      return output
    }
    if isByteLevel {
      for id in known { output.append(contentsOf: bytes[starts[id]..<starts[id + 1]]) }
      return output
    }
    var texts: [[UInt8]] = []
    for id in known { texts.append(Array(bytes[starts[id]..<starts[id + 1]])) }
    let workspace = MatchWorkspace()
    for step in steps { step.apply(to: &texts, workspace: workspace) }
    return Array(texts.joined())
  }

  /// The bytes that one token gives inside a text.
  func bytes(of id: Int) -> [UInt8] {
    let text = Array(bytes[starts[id]..<starts[id + 1]])
    guard let steps, !isByteLevel else { return text }
    // With a text before it, nothing is taken off its start.
    var texts = [[], text]
    let workspace = MatchWorkspace()
    for step in steps {
      switch step {
      case .strip, .fuse: continue
      case .byteFallback: if let byte = DecodingStep.byte(texts[1]) { return [byte] }
      case .byteLevel(let alphabet):
        var spelled: [UInt8] = []
        if texts[1].withUnsafeBufferPointer({ alphabet.appendBytes(of: $0, to: &spelled) }) { texts[1] = spelled }
      default: step.apply(to: &texts, workspace: workspace)
      }
    }
    return texts[1]
  }
}

extension Tokenizer {
  /// The text of tokens. Bytes that are not UTF-8 become U+FFFD, one for each maximal broken part (Unicode 3.9,
  /// "U+FFFD substitution of maximal subparts"); ids without a token are left out.
  package func decode(_ tokens: some Sequence<Int32>, skippingSpecialTokens: Bool = false) -> String {
    String(decoding: decoder.joined(tokens, skippingSpecialTokens: skippingSpecialTokens), as: UTF8.self)
  }

  /// The bytes that one token stands for inside a text, which need not be whole characters; nil for an id without a
  /// token.
  package func bytes(of id: Int32) -> [UInt8]? {
    vocabulary.contains(Int(id)) ? decoder.bytes(of: Int(id)) : nil
  }

  /// A token as the vocabulary writes it (in the byte alphabet, for tokens of text).
  package func token(of id: Int32) -> String? { vocabulary.text(of: Int(id)) }

  /// The id of a token as the vocabulary writes it. Compared byte by byte.
  package func id(of token: String) -> Int32? { vocabulary.id(of: token) }

  /// Whether decoding can skip the token: begin, end, padding and the like.
  package func isSpecial(_ id: Int32) -> Bool { decoder.isSpecial(id) }
}
