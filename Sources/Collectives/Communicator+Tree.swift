import CMPI
import RunFolder

/// Sums whose order of additions is a binary tree over the ranks, ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7)): a tree that
/// one rank alone, summing what eight would have had, can follow to the bit. For 1, 2, 4, 8, … ranks.
extension Communicator {
  /// As `reduceScatter`, the sum being this tree's whatever the shards.
  ///
  /// - Precondition: the number of ranks is a power of two.
  package func treeReduceScatter<Element: CollectiveElement>(
    _ buffer: UnsafeMutableBufferPointer<Element>, shards: [Range<Int>]
  ) throws(TregError) {
    precondition(size & (size - 1) == 0, "a tree over \(size) ranks")
    guard size > 1 else { return }
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: pieceBytes, alignment: 64)
    defer { scratch.deallocate() }
    try withShards(shards, count: buffer.count) { (cuts) throws(TregError) in
      guard let start = buffer.baseAddress else { return }
      try call { table, error in
        table.tree_reduce_scatter(start, cuts, Element.collectiveElement, Int64(pieceBytes), scratch, error)
      }
    }
  }
}
