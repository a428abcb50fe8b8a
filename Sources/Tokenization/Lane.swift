/// What one call of `encode` writes to besides its result: match data, merge buffers and the words seen before.
///
/// - Note: `@unchecked Sendable`: a lane is taken out of the tokenizer's pool before it is used and put back after,
///   so that one thread at a time holds it.
final class Lane: @unchecked Sendable {
  let matching = MatchWorkspace()
  private var cache = WordCache()
  private var scratch = MergeScratch()
  private var lattice = ViterbiScratch()

  /// Appends the tokens of one word.
  @inline(__always)
  func append(_ word: UnsafeBufferPointer<UInt8>, by model: TokenModel, to output: inout [Int32]) throws {
    switch model {
    case .bytePair(let model):
      if !model.cutMark.isEmpty { return appendParts(of: word, by: model, to: &output) }
      guard word.count > WordCache.longestWord else {
        return cached(word, to: &output) { encode(word, by: model, to: &$0) }
      }
      encode(word, by: model, to: &output)
    case .unigram(let model):
      guard word.count <= WordCache.longestWord else {
        return try model.encode(word, scratch: &lattice, to: &output)
      }
      try cached(word, to: &output) { try model.encode(word, scratch: &lattice, to: &$0) }
    }
  }

  private func encode(_ word: UnsafeBufferPointer<UInt8>, by model: BytePairModel, to output: inout [Int32]) {
    if let token = model.wholeToken(word, scratch: &scratch) { return output.append(token) }
    model.encode(word, scratch: &scratch, to: &output)
  }

  /// Cuts a word before each mark that follows another character, which changes nothing in the result.
  private func appendParts(
    of word: UnsafeBufferPointer<UInt8>, by model: BytePairModel, to output: inout [Int32]
  ) {
    let first = model.cutMark[0]
    let count = model.cutMark.count
    func isMark(_ index: Int) -> Bool {
      guard word[index] == first, index + count <= word.count else { return false }
      for offset in 1..<max(1, count) where word[index + offset] != model.cutMark[offset] { return false }
      return true
    }
    func part(_ range: Range<Int>) {
      let piece = UnsafeBufferPointer(rebasing: word[range])
      if piece.count > WordCache.longestWord { return model.encode(piece, scratch: &scratch, to: &output) }
      cached(piece, to: &output) { model.encode(piece, scratch: &scratch, to: &$0) }
    }
    var start = 0
    var index = 0
    var previousMark = true
    while index < word.count {
      let mark = isMark(index)
      if mark, !previousMark {
        part(start..<index)
        start = index
      }
      previousMark = mark
      index += mark ? count : 1
    }
    part(start..<word.count)
  }

  @inline(__always)
  private func cached(
    _ word: UnsafeBufferPointer<UInt8>, to output: inout [Int32], _ encode: (inout [Int32]) throws -> Void
  ) rethrows {
    let hash = byteHash(word)
    if cache.append(word, hash: hash, to: &output) { return }
    let start = output.count
    try encode(&output)
    cache.keep(word, hash: hash, tokens: output[start...])
  }
}
