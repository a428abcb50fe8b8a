/// Byte-pair encoding of one word: symbols become tokens, and the neighbours whose merge has the lowest rank become
/// one, leftmost first, until no listed pair is left.
///
/// Symbols are the characters of the word. Where the pre-tokenizer ends in the byte alphabet, words are given as raw
/// bytes instead, each of which stands for its character of that alphabet.
struct BytePairModel: Sendable {
  let vocabulary: Vocabulary
  let merges: MergeTable
  let alphabet: ByteAlphabet
  /// Words are raw bytes.
  let readsBytes: Bool
  /// The token of every byte: of its character of the alphabet when words are raw bytes, else of the ASCII character;
  /// -1 where the vocabulary has none.
  let byteTokens: [Int32]
  /// Byte fallback: the token `<0xHH>` of every byte, -1 where the vocabulary has none; empty without fallback.
  let fallbackTokens: [Int32]
  /// Stands for symbols without a token; nil drops them, as `tokenizers` does.
  let unknownToken: Int32?
  /// Neighbouring unknown symbols give one unknown token.
  let fusesUnknown: Bool
  /// A word that is a token itself is taken whole, before any merge.
  let ignoresMerges: Bool
  /// A character that no merge joins to a different one before it, so that long words may be cut there without any
  /// effect; empty without one.
  let cutMark: [UInt8]

  /// The token that is the whole word, when such a token is to be taken.
  func wholeToken(_ word: UnsafeBufferPointer<UInt8>, scratch: inout MergeScratch) -> Int32? {
    guard ignoresMerges else { return nil }
    guard readsBytes else { return vocabulary.id(of: word) }
    scratch.text.removeAll(keepingCapacity: true)
    for byte in word { alphabet.append(byte, to: &scratch.text) }
    return scratch.text.withUnsafeBufferPointer { vocabulary.id(of: $0) }
  }

  /// Appends the tokens of `word`, by merging.
  func encode(_ word: UnsafeBufferPointer<UInt8>, scratch: inout MergeScratch, to output: inout [Int32]) {
    scratch.ids.removeAll(keepingCapacity: true)
    if readsBytes { fillWithBytes(word, &scratch) } else { fillWithCharacters(word, &scratch) }
    if scratch.ids.count <= Self.linearLimit {
      mergeByScanning(&scratch)
    } else {
      mergeByQueue(&scratch)
    }
    output.append(contentsOf: scratch.ids)
  }

  private func fillWithBytes(_ word: UnsafeBufferPointer<UInt8>, _ scratch: inout MergeScratch) {
    var previousUnknown = false
    for byte in word {
      let id = byteTokens[Int(byte)]
      if id >= 0 {
        scratch.ids.append(id)
        previousUnknown = false
      } else if let unknownToken {
        if !(previousUnknown && fusesUnknown) { scratch.ids.append(unknownToken) }
        previousUnknown = true
      }
    }
  }

  private func fillWithCharacters(_ word: UnsafeBufferPointer<UInt8>, _ scratch: inout MergeScratch) {
    // An unknown token waits for the next character that has one of its own: bytes of a fallback overtake it, as in
    // `tokenizers`.
    var waiting = false
    var index = 0
    while index < word.count {
      let length = UTF8Text.length(word[index])
      let character = UnsafeBufferPointer(rebasing: word[index..<min(index + length, word.count)])
      index += length
      let id = length == 1 ? byteTokens[Int(character[0])] : vocabulary.id(of: character) ?? -1
      if id >= 0 {
        if waiting, let unknownToken { scratch.ids.append(unknownToken) }
        waiting = false
        scratch.ids.append(id)
        continue
      }
      if !fallbackTokens.isEmpty, character.allSatisfy({ fallbackTokens[Int($0)] >= 0 }) {
        for byte in character { scratch.ids.append(fallbackTokens[Int(byte)]) }
        continue
      }
      if let unknownToken {
        if waiting, !fusesUnknown { scratch.ids.append(unknownToken) }
        waiting = true
      }
    }
    if waiting, let unknownToken { scratch.ids.append(unknownToken) }
  }
}
