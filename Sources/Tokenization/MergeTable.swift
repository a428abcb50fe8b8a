/// The merges of a BPE model: which two neighbours become one token, and how early.
struct MergeTable: Sendable {
  struct Merge: Sendable {
    /// Lower ranks merge first.
    var rank: UInt32
    var result: Int32
  }

  private struct Slot {
    var pair: UInt64
    var merge: Merge
  }

  /// No pair of ids is all ones: ids are not negative.
  private static let free = UInt64.max
  /// Open addressing; the count is a power of two, at most half filled.
  private var slots: [Slot]

  init(capacity: Int) {
    var count = 16
    while count < capacity * 2 { count *= 2 }
    slots = [Slot](repeating: Slot(pair: Self.free, merge: Merge(rank: 0, result: 0)), count: count)
  }

  @inline(__always)
  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  @inline(__always)
  private func firstSlot(_ pair: UInt64) -> Int {
    Int(truncatingIfNeeded: (pair &* 0x9E37_79B9_7F4A_7C15) >> 32) & (slots.count - 1)
  }

  /// Of a pair that is listed twice the later rank counts, as in `tokenizers`.
  mutating func set(_ left: Int32, _ right: Int32, _ merge: Merge) {
    let pair = Self.key(left, right)
    var slot = firstSlot(pair)
    while slots[slot].pair != Self.free, slots[slot].pair != pair { slot = (slot + 1) & (slots.count - 1) }
    slots[slot] = Slot(pair: pair, merge: merge)
  }

  @inline(__always)
  func merge(_ left: Int32, _ right: Int32) -> Merge? {
    let pair = Self.key(left, right)
    var slot = firstSlot(pair)
    while true {
      let found = slots[slot]
      if found.pair == pair { return found.merge }
      if found.pair == Self.free { return nil }
      slot = (slot + 1) & (slots.count - 1)
    }
  }
}
