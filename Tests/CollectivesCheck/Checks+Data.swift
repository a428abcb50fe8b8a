import Collectives

/// Shards, broadcasts and exchanges.
extension Checks {
  mutating func shards() throws {
    let size = ranks.size
    for length in [0, 1, 15, 16 * size + 3, pieceBytes / 4 * 5 + 7] {
      try check(ShardLayout(count: length, ranks: size).shards, length: length, "even, \(length)")
    }
    // Rank 0 owns nothing, the others more and more, with gaps between.
    var end = 5
    let growing = (0..<size).map { rank in
      let start = end + 2
      end = start + rank * (pieceBytes / 16 + 1)
      return start..<end
    }
    try check(growing, length: end + 3, "growing")
    // Owners in the other order, and one that owns all.
    try check((0..<size).map { (size - 1 - $0) * 9..<(size - $0) * 9 }, length: size * 9, "reversed")
    try check((0..<size).map { $0 == size - 1 ? 0..<777 : 0..<0 }, length: 777, "one owner")
  }

  private mutating func check(_ shards: [Range<Int>], length: Int, _ name: String) throws {
    try checkSums(shards, length, Self.float, tolerance: 1e-6 * Double(ranks.size), "reduceScatter Float \(name)")
    try checkSums(shards, length, Self.double, tolerance: 1e-15 * Double(ranks.size), "reduceScatter Double \(name)")

    var integers = (0..<length).map { Self.integer(ranks.rank, $0, 5) }
    try integers.withUnsafeMutableBufferPointer { try ranks.reduceScatter($0, shards: shards) }
    expect(
      shards[ranks.rank].allSatisfy { index in
        integers[index] == (0..<ranks.size).reduce(Int64(0)) { $0 &+ Self.integer($1, index, 5) }
      }, "reduceScatter Int64 \(name)")

    var gathered = (0..<length).map { Self.float(ranks.rank, $0, 6) }
    var expected = gathered
    for (owner, shard) in shards.enumerated() {
      for index in shard { expected[index] = Self.float(owner, index, 6) }
    }
    try gathered.withUnsafeMutableBufferPointer { try ranks.allGather($0, shards: shards) }
    expect(gathered == expected, "allGather \(name)")
  }

  private mutating func checkSums<Element: CollectiveElement & BinaryFloatingPoint>(
    _ shards: [Range<Int>], _ length: Int, _ value: (Int, Int, Int) -> Element, tolerance: Double, _ name: String
  ) throws {
    var values = (0..<length).map { value(ranks.rank, $0, 4) }
    try values.withUnsafeMutableBufferPointer { try ranks.reduceScatter($0, shards: shards) }
    var worst = 0.0
    for index in shards[ranks.rank] {
      let truth = (0..<ranks.size).reduce(0.0) { $0 + Double(value($1, index, 4)) }
      worst = max(worst, abs(Double(values[index]) - truth))
    }
    expect(worst <= tolerance, "\(name): off by \(worst)")
  }

  mutating func broadcasts() throws {
    for root in 0..<ranks.size {
      for length in lengths {
        var values = (0..<length).map { Self.float(ranks.rank, $0, root) }
        try values.withUnsafeMutableBufferPointer { try ranks.broadcast($0, from: root) }
        expect(values == (0..<length).map { Self.float(root, $0, root) }, "broadcast of \(length) from \(root)")
        // Other ranks pass bytes of another length, which do not matter.
        let own = [UInt8](repeating: UInt8(ranks.rank), count: ranks.rank == root ? length : 3)
        let bytes = try ranks.broadcast(bytes: own, from: root)
        expect(bytes == [UInt8](repeating: UInt8(root), count: length), "broadcast of \(length) bytes from \(root)")
      }
    }
    var flag = ranks.rank == 0
    try ranks.broadcast(&flag)
    expect(flag, "broadcast of a Bool")
  }

  mutating func exchanges() throws {
    let size = ranks.size
    let piece = pieceBytes
    let counts: [(Int, Int) -> Int] = [
      { from, to in (from * 31 + to * 17) % 5 * (piece / 2 + 1) },
      { _, _ in 0 },
      { from, to in from == size - 1 && to == 0 ? piece * 3 + 1 : 0 },
      { from, _ in from },
    ]
    for (number, count) in counts.enumerated() {
      let parcels = (0..<size).map { Self.bytes(ranks.rank, $0, count(ranks.rank, $0)) }
      let arrived = try ranks.exchange(parcels)
      expect(
        arrived == (0..<size).map { Self.bytes($0, ranks.rank, count($0, ranks.rank)) }, "exchange number \(number)")
      let gathered = try ranks.allGather(bytes: Self.bytes(ranks.rank, 0, count(ranks.rank, 0)))
      expect(gathered == (0..<size).map { Self.bytes($0, 0, count($0, 0)) }, "allGather of bytes, number \(number)")
    }
  }

  private static func bytes(_ from: Int, _ to: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: bits(from, $0, to)) }
  }
}
