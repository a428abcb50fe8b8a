/// Divides a flat buffer into one contiguous shard per rank.
///
/// All shards but the last ones have the same size, a multiple of `alignment`; they follow each other and cover the
/// buffer. With fewer aligned blocks than ranks the last ranks own empty shards.
package struct ShardLayout: Equatable, Sendable {
  /// One range per rank, ascending.
  package let shards: [Range<Int>]

  /// - Parameters:
  ///   - count: elements of the buffer.
  ///   - alignment: elements; 16 of fp32 are one cache line.
  package init(count: Int, ranks: Int, alignment: Int = 16) {
    precondition(count >= 0 && ranks > 0 && alignment > 0)
    let blocks = count / alignment + (count % alignment == 0 ? 0 : 1)
    let length = (blocks / ranks + (blocks % ranks == 0 ? 0 : 1)) * alignment
    shards = (0..<ranks).map { rank in min(count, rank * length)..<min(count, (rank + 1) * length) }
  }

  /// - Parameter shards: ascending, without gaps.
  init(shards: [Range<Int>]) { self.shards = shards }

  package subscript(rank: Int) -> Range<Int> { shards[rank] }
}
