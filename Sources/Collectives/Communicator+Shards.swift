import CMPI
import RunFolder

/// A flat buffer in one shard per rank (`ShardLayout`): gradients are summed to their owner, parameters gathered from it.
extension Communicator {
  /// Sums a buffer over ranks, each rank keeping its own shard.
  ///
  /// - Parameters:
  ///   - buffer: the same length on every rank.
  ///   - shards: one range of the buffer per rank, the same on every rank; sizes may differ and be 0.
  /// - Postcondition: `buffer[shards[rank]]` is the sum over ranks; what other shards hold is unspecified.
  package func reduceScatter<Element: CollectiveElement>(
    _ buffer: UnsafeMutableBufferPointer<Element>, shards: [Range<Int>]
  ) throws(TregError) {
    try withShards(shards, count: buffer.count) { (cuts) throws(TregError) in
      guard let start = buffer.baseAddress, let scratch = scratch.baseAddress else { return }
      try call { table, error in
        table.reduce_scatter(start, cuts, Element.collectiveElement, Int64(pieceBytes), scratch, error)
      }
    }
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
