import CMPI
import RunFolder

/// A flat buffer in one shard per rank (`ShardLayout`): gradients are summed to their owner, parameters gathered from it.
extension Communicator {
  /// Sums a buffer over ranks, each rank keeping its own shard; a ``ShardStream`` of one list of shards.
  ///
  /// - Parameters:
  ///   - buffer: the same length on every rank.
  ///   - shards: one range of the buffer per rank, the same on every rank; sizes may differ and be 0.
  /// - Postcondition: `buffer[shards[rank]]` is the sum over ranks; what other shards hold is unspecified.
  package func reduceScatter(
    _ buffer: UnsafeMutableBufferPointer<Float>, shards: [Range<Int>], wire: WireFormat = .float32
  ) throws(TregError) {
    let stream = try ShardStream(summing: buffer, wire: wire, self)
    try stream.extend(shards)
    try stream.finish()
  }

  /// Copies every rank's own shard to all ranks.
  ///
  /// - Parameters: as `reduceScatter`.
  /// - Postcondition: `buffer[shards[r]]` equals rank r's, for every r; outside the shards nothing changes.
  package func allGather<Element: BitwiseCopyable>(
    _ buffer: UnsafeMutableBufferPointer<Element>, shards: [Range<Int>]
  ) throws(TregError) {
    try withShards(shards, count: buffer.count) { (cuts) throws(TregError) in
      guard let start = buffer.baseAddress else { return }
      try call { table, error in
        table.all_gather(start, cuts, Int64(MemoryLayout<Element>.stride), Int64(pieceBytes), error)
      }
    }
  }

  /// Copies every rank's strips of all buckets to all ranks.
  package func allGather<Element: BitwiseCopyable>(
    _ buffer: UnsafeMutableBufferPointer<Element>, layout: BucketLayout
  ) throws(TregError) {
    let stream = try ShardStream(copying: buffer, self)
    for bucket in layout.buckets.indices { try stream.extend(layout.strips(of: bucket)) }
    try stream.finish()
  }

  /// Hands ranges to the shim as offsets and counts.
  func withShards(
    _ shards: [Range<Int>], count: Int, _ body: (cmpi_shards) throws(TregError) -> Void
  ) throws(TregError) {
    precondition(shards.count == size, "\(shards.count) shards for \(size) ranks")
    precondition(shards.allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= count }, "a shard leaves the buffer")
    let offsets = shards.map { Int64($0.lowerBound) }
    let counts = shards.map { Int64($0.count) }
    try offsets.withUnsafeBufferPointer { (offsets) throws(TregError) in
      try counts.withUnsafeBufferPointer { (counts) throws(TregError) in
        try body(cmpi_shards(offsets: offsets.baseAddress!, counts: counts.baseAddress!))
      }
    }
  }
}
