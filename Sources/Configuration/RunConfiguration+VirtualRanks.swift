extension RunConfiguration {
  /// Gradients that one of so many ranks holds at a time: a binary tree over the virtual ranks that it stands for is
  /// summed depth first.
  package func gradientBuffers(ranks: Int) -> Int {
    guard reproducible else { return 1 }
    return 1 + max(virtualRanks / ranks, 1).trailingZeroBitCount
  }
}
