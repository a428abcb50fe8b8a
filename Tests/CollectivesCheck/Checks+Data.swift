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
    var values = (0..<length).map { Self.float(ranks.rank, $0, 4) }
    try values.withUnsafeMutableBufferPointer { try ranks.reduceScatter($0, shards: shards) }
    var worst = 0.0
    for index in shards[ranks.rank] {
      let truth = (0..<ranks.size).reduce(0.0) { $0 + Double(Self.float($1, index, 4)) }
      worst = max(worst, abs(Double(values[index]) - truth))
    }
    expect(worst <= 1e-6 * Double(ranks.size), "reduceScatter \(name): off by \(worst)")

    var gathered = (0..<length).map { Self.float(ranks.rank, $0, 6) }
    var expected = gathered
    for (owner, shard) in shards.enumerated() {
      for index in shard { expected[index] = Self.float(owner, index, 6) }
    }
    try gathered.withUnsafeMutableBufferPointer { try ranks.allGather($0, shards: shards) }
    expect(gathered == expected, "allGather \(name)")
  }

  /// Sums of several buckets: the same bits whenever they begin and are looked at, and bit by bit those of the documented
  /// order where every rank has a host to itself.
  mutating func streams() throws {
    let count = pieceBytes * 5 / 4 + 40
    let layout = BucketLayout(count: count, ranks: ranks.size, cuts: [16 * (count / 48)], length: pieceBytes / 4 + 16)
    for wire in WireFormat.allCases {
      let own = (0..<count).map { Self.float(ranks.rank, $0, 8) }
      let sums = try (0..<3).map { pace in
        let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
        defer { values.deallocate() }
        _ = values.initialize(from: own)
        let stream = try ShardStream(summing: values, wire: wire, ranks)
        // The second time round every memory of a stream was used before.
        for _ in 0..<2 {
          _ = values.update(from: own)
          for bucket in layout.buckets.indices {
            try stream.extend(layout.strips(of: bucket))
            for _ in 0..<pace * (1 + ranks.rank) { try stream.advance() }
          }
          if pace == 2 { while try !stream.advance() {} }
          try stream.finish()
        }
        return layout.ranges(of: ranks.rank).flatMap { $0.map { values[$0] } }
      }
      expect(sums[0] == sums[1] && sums[1] == sums[2], "a stream's sums depend on when it is looked at (\(wire))")
      if ranks.hostCount == ranks.size || ranks.hostCount == 1 {
        let isRounded = wire == .bfloat16 && ranks.hostCount > 1
        let truth = layout.ranges(of: ranks.rank).flatMap { range in
          range.map { index in
            (1..<ranks.size).reduce(own[index]) { sum, distance in
              let other = Self.float((ranks.rank - distance + ranks.size) % ranks.size, index, 8)
              return sum + (isRounded ? Self.bfloat16(other) : other)
            }
          }
        }
        expect(sums[0] == truth, "a stream's sums are others (\(wire))")
      }
    }
    var bytes = (0..<count).map { UInt8(truncatingIfNeeded: Self.bits(ranks.rank, $0, 9)) }
    try bytes.withUnsafeMutableBufferPointer { try ranks.allGather($0, layout: layout) }
    var expected = [UInt8](repeating: 0, count: count)
    for owner in 0..<ranks.size {
      for range in layout.ranges(of: owner) {
        for index in range { expected[index] = UInt8(truncatingIfNeeded: Self.bits(owner, index, 9)) }
      }
    }
    expect(bytes == expected, "allGather of buckets")

    // Bucket by bucket from the last one, each there when it was waited for, the others under way.
    var again = (0..<count).map { UInt8(truncatingIfNeeded: Self.bits(ranks.rank, $0, 9)) }
    try again.withUnsafeMutableBufferPointer { again in
      let stream = try ShardStream(copying: again, ranks)
      let order = Array(layout.buckets.indices.reversed())
      let marks = try order.map { try stream.extend(layout.strips(of: $0)) }
      for (bucket, mark) in zip(order, marks) {
        try stream.wait(for: mark)
        let range = layout.buckets[bucket]
        expect(range.allSatisfy { again[$0] == expected[$0] }, "bucket \(bucket) after wait(for:)")
      }
      try stream.finish()
    }
  }

  /// To the nearest number of eight bits of fraction, the even one of two.
  private static func bfloat16(_ value: Float) -> Float {
    let bits = value.bitPattern
    let (low, high) = (bits & 0xFFFF, bits >> 16)
    let up: UInt32 = low > 0x8000 || (low == 0x8000 && high & 1 == 1) ? 1 : 0
    return Float(bitPattern: (high + up) << 16)
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
