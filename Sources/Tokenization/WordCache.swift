/// Tokens of words seen before, in bounded memory; emptied when full. Belongs to one thread at a time.
struct WordCache {
  private struct Slot {
    var hash: UInt64
    var wordStart: UInt32
    var wordCount: UInt32
    var idStart: UInt32
    var idCount: UInt32
  }

  private static let slotCount = 1 << 15
  private static let wordLimit = slotCount / 2
  /// Longer words hardly repeat.
  static let longestWord = 64
  /// Chosen words could all fall on one slot; beyond this distance a word is not kept.
  private static let probeLimit = 32

  private var slots = [Slot](
    repeating: Slot(hash: 0, wordStart: 0, wordCount: 0, idStart: 0, idCount: 0), count: slotCount)
  private var words: [UInt8] = []
  private var ids: [Int32] = []
  private var count = 0

  /// Appends the tokens of `word` when they are known.
  @inline(__always)
  func append(_ word: UnsafeBufferPointer<UInt8>, hash: UInt64, to output: inout [Int32]) -> Bool {
    var index = Int(truncatingIfNeeded: hash) & (Self.slotCount - 1)
    for _ in 0..<Self.probeLimit {
      let slot = slots[index]
      if slot.wordCount == 0 { return false }
      if slot.hash == hash, Int(slot.wordCount) == word.count, holds(word, at: Int(slot.wordStart)) {
        for id in Int(slot.idStart)..<Int(slot.idStart + slot.idCount) { output.append(ids[id]) }
        return true
      }
      index = (index + 1) & (Self.slotCount - 1)
    }
    return false
  }

  @inline(__always)
  private func holds(_ word: UnsafeBufferPointer<UInt8>, at start: Int) -> Bool {
    words.withUnsafeBufferPointer {
      equalBytes(UnsafeBufferPointer(rebasing: $0[start..<start + word.count]), word)
    }
  }

  mutating func keep(_ word: UnsafeBufferPointer<UInt8>, hash: UInt64, tokens: ArraySlice<Int32>) {
    guard !word.isEmpty, word.count <= Self.longestWord else { return }
    if count == Self.wordLimit { self = WordCache() }
    var index = Int(truncatingIfNeeded: hash) & (Self.slotCount - 1)
    for _ in 0..<Self.probeLimit {
      if slots[index].wordCount == 0 {
        slots[index] = Slot(
          hash: hash, wordStart: UInt32(words.count), wordCount: UInt32(word.count), idStart: UInt32(ids.count),
          idCount: UInt32(tokens.count))
        words.append(contentsOf: word)
        ids.append(contentsOf: tokens)
        count += 1
        return
      }
      index = (index + 1) & (Self.slotCount - 1)
    }
  }
}
