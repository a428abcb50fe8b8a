/// Token texts and their ids, both ways. Texts are compared byte by byte.
struct Vocabulary: Sendable {
  /// All texts, one after another.
  private var texts: [UInt8] = []
  /// Where the text of an id lies in `texts`; an empty range from 0 for ids without a token.
  private var ranges: [Range<Int>] = []
  private var present: [Bool] = []
  /// Open addressing; -1 is a free slot. The count is a power of two, at most half filled.
  private var slots: [Int32]
  private(set) var count = 0

  /// - Parameters:
  ///   - capacity: number of tokens that will be added at most.
  ///   - idLimit: every id lies below it.
  init(capacity: Int, idLimit: Int) {
    var slotCount = 16
    while slotCount < capacity * 2 { slotCount *= 2 }
    slots = [Int32](repeating: -1, count: slotCount)
    ranges = [Range<Int>](repeating: 0..<0, count: idLimit)
    present = [Bool](repeating: false, count: idLimit)
  }

  /// Every id lies below it.
  var idLimit: Int { present.count }

  /// Bytes of all texts.
  var byteCount: Int { texts.count }

  /// One more than the highest id.
  var idEnd: Int { (present.lastIndex(of: true) ?? -1) + 1 }

  func contains(_ id: Int) -> Bool { id >= 0 && id < present.count && present[id] }

  /// Adds a token. The id must be new; of two tokens with one text the later is found by it.
  mutating func add(_ text: UnsafeBufferPointer<UInt8>, id: Int) {
    precondition(!present[id] && (count + 1) * 2 <= slots.count, "a vocabulary takes every id once")
    let start = texts.count
    texts.append(contentsOf: text)
    ranges[id] = start..<texts.count
    present[id] = true
    count += 1
    var slot = Int(truncatingIfNeeded: byteHash(text)) & (slots.count - 1)
    while slots[slot] >= 0, withText(of: Int(slots[slot]), { !equalBytes($0, text) }) {
      slot = (slot + 1) & (slots.count - 1)
    }
    slots[slot] = Int32(id)
  }

  func id(of text: UnsafeBufferPointer<UInt8>) -> Int32? {
    texts.withUnsafeBufferPointer { texts in
      var slot = Int(truncatingIfNeeded: byteHash(text)) & (slots.count - 1)
      while slots[slot] >= 0 {
        let id = slots[slot]
        if equalBytes(UnsafeBufferPointer(rebasing: texts[ranges[Int(id)]]), text) { return id }
        slot = (slot + 1) & (slots.count - 1)
      }
      return nil
    }
  }

  func id(of text: String) -> Int32? {
    var text = text
    return text.withUTF8 { id(of: $0) }
  }

  func withText<Result>(of id: Int, _ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
    texts.withUnsafeBufferPointer { body(UnsafeBufferPointer(rebasing: $0[ranges[id]])) }
  }

  func text(of id: Int) -> String? {
    guard contains(id) else { return nil }
    return withText(of: id) { String(decoding: $0, as: UTF8.self) }
  }
}
