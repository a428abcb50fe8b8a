/// Texts by their bytes, for finding all of them that a text starts with. A hash table of (node, byte) → node.
struct ByteTrie: Sendable {
  private struct Slot {
    /// Node of the parent and byte; all ones when free.
    var key: UInt64
    var node: UInt32
    /// The token that ends at the node, or -1.
    var token: Int32
  }

  private static let free = UInt64.max
  private var slots: [Slot]
  private var nodeCount: UInt32 = 1

  /// - Parameter capacity: bytes of all texts that will be added.
  init(capacity: Int) {
    var count = 16
    while count < capacity * 2 { count *= 2 }
    slots = [Slot](repeating: Slot(key: Self.free, node: 0, token: -1), count: count)
  }

  @inline(__always)
  private func slot(_ node: UInt32, _ byte: UInt8) -> Int {
    let key = UInt64(node) << 8 | UInt64(byte)
    var index = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 32) & (slots.count - 1)
    while slots[index].key != key, slots[index].key != Self.free { index = (index + 1) & (slots.count - 1) }
    return index
  }

  mutating func add(_ text: UnsafeBufferPointer<UInt8>, _ token: Int32) {
    var node: UInt32 = 0
    for (offset, byte) in text.enumerated() {
      let index = slot(node, byte)
      if slots[index].key == Self.free {
        slots[index] = Slot(key: UInt64(node) << 8 | UInt64(byte), node: nodeCount, token: -1)
        nodeCount += 1
      }
      if offset == text.count - 1 { slots[index].token = token }
      node = slots[index].node
    }
  }

  /// Calls `body` with the end and the token of every text that stands in `text` at `start`, shortest first.
  @inline(__always)
  func forEachPrefix(of text: UnsafeBufferPointer<UInt8>, from start: Int, _ body: (Int, Int32) -> Void) {
    slots.withUnsafeBufferPointer { slots in
      let mask = slots.count - 1
      var node: UInt32 = 0
      var index = start
      while index < text.count {
        let key = UInt64(node) << 8 | UInt64(text[index])
        var place = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 32) & mask
        while slots[place].key != key {
          if slots[place].key == Self.free { return }
          place = (place + 1) & mask
        }
        index += 1
        if slots[place].token >= 0 { body(index, slots[place].token) }
        node = slots[place].node
      }
    }
  }
}
