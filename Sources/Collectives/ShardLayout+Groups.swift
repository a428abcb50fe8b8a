extension ShardLayout {
  /// Shards that follow each other, put together: of a layout for 8 ranks `grouped(by: 4)` makes one for 2, whose cuts
  /// are cuts of the first.
  ///
  /// - Precondition: `size` divides the number of shards.
  package func grouped(by size: Int) -> ShardLayout {
    precondition(size > 0 && shards.count % size == 0, "\(shards.count) shards in groups of \(size)")
    return ShardLayout(
      shards: stride(from: 0, to: shards.count, by: size).map {
        shards[$0].lowerBound..<shards[$0 + size - 1].upperBound
      })
  }
}
