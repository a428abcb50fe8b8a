/// What one call of `encode` writes to besides its result: match data, merge buffers and the words seen before.
///
/// - Note: `@unchecked Sendable`: a lane is taken out of the tokenizer's pool before it is used and put back after,
///   so that one thread at a time holds it.
final class Lane: @unchecked Sendable {
  let matching = MatchWorkspace()
  private var cache = WordCache()
  private var scratch = MergeScratch()

  /// Appends the tokens of one word.
  @inline(__always)
  func append(_ word: UnsafeBufferPointer<UInt8>, by model: BytePairModel, to output: inout [Int32]) {
    guard word.count <= WordCache.longestWord else { return model.encode(word, scratch: &scratch, to: &output) }
    let hash = byteHash(word)
    if cache.append(word, hash: hash, to: &output) { return }
    let start = output.count
    model.encode(word, scratch: &scratch, to: &output)
    cache.keep(word, hash: hash, tokens: output[start...])
  }
}
