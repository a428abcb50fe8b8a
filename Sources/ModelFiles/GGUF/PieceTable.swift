/// Finds a token by its bytes, and all ways to cut tokens into two others.
///
/// Byte by byte: two spellings of one letter are two tokens.
struct PieceTable {
  private let bytes: [UInt8]
  /// Where each token starts in `bytes`; one more than there are tokens.
  private let starts: [Int]
  /// Open addressing; −1 where there is none.
  private var slots: [Int32]
  /// Tokens that are left out take no part.
  private let isPart: [Bool]

  /// Longer tokens are not cut.
  static let longest = 1024
  private static let base: UInt64 = 0x9E37_79B9_7F4A_7C15

  /// - Parameter isPart: for each token whether it can be found.
  init(_ tokens: [String], isPart: [Bool]) {
    var bytes: [UInt8] = []
    var starts = [0]
    for token in tokens {
      bytes += token.utf8
      starts.append(bytes.count)
    }
    self.bytes = bytes
    self.starts = starts
    self.isPart = isPart
    var size = 16
    while size < 2 * tokens.count { size *= 2 }
    slots = Array(repeating: -1, count: size)
    for token in tokens.indices where isPart[token] {
      let range = starts[token]..<starts[token + 1]
      var slot = Self.slot(bytes[range].reduce(0) { $0 &* Self.base &+ UInt64($1) &+ 1 }, size)
      while slots[slot] >= 0 { slot = (slot + 1) & (size - 1) }
      slots[slot] = Int32(token)
    }
  }

  private static func slot(_ hash: UInt64, _ size: Int) -> Int {
    let mixed = (hash ^ hash >> 32) &* 0xD6E8_FEB8_6659_FD93
    return Int(truncatingIfNeeded: mixed >> 32) & (size - 1)
  }

  private func find(_ range: Range<Int>, hash: UInt64) -> Int32? {
    var slot = Self.slot(hash, slots.count)
    while slots[slot] >= 0 {
      let token = Int(slots[slot])
      let other = starts[token]..<starts[token + 1]
      if other.count == range.count, bytes[other] == bytes[range] { return slots[slot] }
      slot = (slot + 1) & (slots.count - 1)
    }
    return nil
  }

  /// A token as the concatenation of two others.
  struct Cut {
    let left: Int32
    let right: Int32
    /// Unicode scalars of the left part.
    let leftLength: Int
  }

  /// The cuts of a token, longest left part first.
  func cuts(of token: Int) -> [Cut] {
    let range = starts[token]..<starts[token + 1]
    guard isPart[token], range.count > 1, range.count <= Self.longest else { return [] }
    // The hash of the right part is the whole's less the left's times a power of the base.
    var whole: UInt64 = 0
    for index in range { whole = whole &* Self.base &+ UInt64(bytes[index]) &+ 1 }
    var powers: [UInt64] = [1]
    for _ in range { powers.append(powers[powers.count - 1] &* Self.base) }
    var cuts: [Cut] = []
    var (left, length) = (UInt64(0), 0)
    for index in range.dropLast() {
      left = left &* Self.base &+ UInt64(bytes[index]) &+ 1
      // Only between scalars.
      guard bytes[index + 1] & 0xC0 != 0x80 else { continue }
      length += 1
      let middle = index + 1
      guard let first = find(range.lowerBound..<middle, hash: left),
        let second = find(middle..<range.upperBound, hash: whole &- left &* powers[range.upperBound - middle])
      else { continue }
      cuts.append(Cut(left: first, right: second, leftLength: length))
    }
    return cuts.reversed()
  }
}
