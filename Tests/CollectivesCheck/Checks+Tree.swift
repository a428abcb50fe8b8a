import Collectives

/// Sums by a binary tree, bit for bit.
extension Checks {
  mutating func trees() throws {
    let size = ranks.size
    guard size & (size - 1) == 0 else { return }
    for length in [0, 1, 16 * size + 3, pieceBytes / 4 * 5 + 7] {
      let truth = (0..<length).map { Self.treeSum($0, 0..<size) }
      // Even shards, all of one owner, and owners in the other order: the sum must not depend on them.
      let even = ShardLayout(count: length, ranks: size).shards
      let last = (0..<size).map { $0 == size - 1 ? 0..<length : 0..<0 }
      for (shards, name) in [(even, "even"), (last, "one owner"), (even.reversed(), "reversed")] {
        var values = (0..<length).map { Self.float(ranks.rank, $0, 11) }
        try values.withUnsafeMutableBufferPointer { try ranks.treeReduceScatter($0, shards: shards) }
        let own = shards[ranks.rank]
        expect(values[own] == truth[own], "treeReduceScatter of \(length), \(name)")
      }
    }
  }

  private static func treeSum(_ index: Int, _ ranks: Range<Int>) -> Float {
    guard ranks.count > 1 else { return float(ranks.lowerBound, index, 11) }
    let middle = ranks.lowerBound + ranks.count / 2
    return treeSum(index, ranks.lowerBound..<middle) + treeSum(index, middle..<ranks.upperBound)
  }
}
