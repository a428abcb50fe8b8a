/// Byte-level byte-pair encoding of one word: bytes become tokens, and the neighbours whose merge has the lowest
/// rank become one, leftmost first, until no listed pair is left.
struct BytePairModel: Sendable {
  let vocabulary: Vocabulary
  let merges: MergeTable
  let alphabet: ByteAlphabet
  /// The token of every single byte; -1 where the vocabulary has none.
  let byteTokens: [Int32]
  /// Stands for bytes without a token; nil drops them, as `tokenizers` does.
  let unknownToken: Int32?
  /// Neighbouring unknown bytes give one unknown token.
  let fusesUnknown: Bool
  /// A word that is a token itself is taken whole, before any merge.
  let ignoresMerges: Bool

  /// Appends the tokens of `word` (raw bytes, not their stand-ins) to `output`.
  func encode(_ word: UnsafeBufferPointer<UInt8>, scratch: inout MergeScratch, to output: inout [Int32]) {
    if ignoresMerges {
      scratch.text.removeAll(keepingCapacity: true)
      for byte in word { alphabet.append(byte, to: &scratch.text) }
      if let id = scratch.text.withUnsafeBufferPointer({ vocabulary.id(of: $0) }) {
        output.append(id)
        return
      }
    }
    scratch.ids.removeAll(keepingCapacity: true)
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
    if scratch.ids.count <= Self.linearLimit {
      mergeByScanning(&scratch)
    } else {
      mergeByQueue(&scratch)
    }
    output.append(contentsOf: scratch.ids)
  }
}
