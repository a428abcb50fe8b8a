/// Turns tokens back into text.
struct TokenDecoder: Sendable {
  /// How the texts of tokens are joined.
  enum Form: Sendable {
    /// Characters of the byte alphabet become bytes, and those text.
    case bytes
    /// The file names no decoder: texts of the vocabulary as they stand, with blanks between.
    case blanks
  }

  let form: Form
  /// What each token gives: bytes in the one form, its text in the other. Token `i` has
  /// `bytes[starts[i]..<starts[i + 1]]`.
  private let bytes: [UInt8]
  private let starts: [Int]
  private let special: [Bool]
  private let vocabulary: Vocabulary

  init(form: Form, vocabulary: Vocabulary, specialTokens: [Int32], alphabet: ByteAlphabet) {
    var bytes: [UInt8] = []
    var starts = [0]
    let end = vocabulary.idEnd
    starts.reserveCapacity(end + 1)
    for id in 0..<end {
      if vocabulary.contains(id) {
        vocabulary.withText(of: id) { text in
          // A text with any other character stands for itself as a whole.
          if form == .bytes, let raw = alphabet.bytes(of: text) {
            bytes += raw
          } else {
            bytes.append(contentsOf: text)
          }
        }
      }
      starts.append(bytes.count)
    }
    var special = [Bool](repeating: false, count: end)
    for token in specialTokens { special[Int(token)] = true }
    self.form = form
    self.bytes = bytes
    self.starts = starts
    self.special = special
    self.vocabulary = vocabulary
  }

  func isSpecial(_ id: Int32) -> Bool { id >= 0 && Int(id) < special.count && special[Int(id)] }

  /// The bytes that tokens stand for. Ids without a token are left out.
  func joined(_ tokens: some Sequence<Int32>, skippingSpecialTokens: Bool) -> [UInt8] {
    var output: [UInt8] = []
    var isFirst = true
    for token in tokens {
      let id = Int(token)
      guard vocabulary.contains(id), !(skippingSpecialTokens && special[id]) else { continue }
      if form == .blanks, !isFirst { output.append(UInt8(ascii: " ")) }
      isFirst = false
      output.append(contentsOf: bytes[starts[id]..<starts[id + 1]])
    }
    return output
  }
}

extension TokenDecoder.Form {
  /// Reads `decoder` of a tokenizer file: `ByteLevel`, or a `Sequence` of just that.
  static func read(_ node: FileNode?, depth: Int = 0) throws -> TokenDecoder.Form {
    guard let node else { return .blanks }
    guard depth < 8 else { throw node.error("nested deeper than 8 levels") }
    switch try node.type() {
    case "ByteLevel": return .bytes
    case "Sequence":
      let children = try node.required("decoders").elements()
      guard children.count == 1 else { throw node.error("a sequence of several decoders is not supported") }
      return try read(children[0], depth: depth + 1)
    case let type: throw node.error("the decoder \(type) is not supported; supported are ByteLevel and Sequence")
    }
  }
}

extension Tokenizer {
  /// The text of tokens. Bytes that are not UTF-8 become U+FFFD, one for each maximal broken part (Unicode 3.9,
  /// "U+FFFD substitution of maximal subparts"); ids without a token are left out.
  package func decode(_ tokens: some Sequence<Int32>, skippingSpecialTokens: Bool = false) -> String {
    String(decoding: decoder.joined(tokens, skippingSpecialTokens: skippingSpecialTokens), as: UTF8.self)
  }

  /// The bytes that one token stands for, which need not be whole characters; nil for an id without a token.
  package func bytes(of id: Int32) -> [UInt8]? {
    vocabulary.contains(Int(id)) ? decoder.joined(CollectionOfOne(id), skippingSpecialTokens: false) : nil
  }

  /// A token as the vocabulary writes it (in the byte alphabet, for tokens of text).
  package func token(of id: Int32) -> String? { vocabulary.text(of: Int(id)) }

  /// The id of a token as the vocabulary writes it. Compared byte by byte.
  package func id(of token: String) -> Int32? { vocabulary.id(of: token) }

  /// Whether decoding can skip the token: begin, end, padding and the like.
  package func isSpecial(_ id: Int32) -> Bool { decoder.isSpecial(id) }
}
