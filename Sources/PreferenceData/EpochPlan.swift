import RunFolder

/// Which rows every step of a run takes; it depends on the seed and on counts, never on ranks.
///
/// Each epoch has its own permutation of the rows, cut into global batches. The last batch of an epoch may be short; it
/// is kept, as transformers' trainer does. The permutation of epoch e is Fisher and Yates' (from the last position down)
/// over SplitMix64 seeded with mix(seed + 2⁶⁴/φ · (e + 1)). Runs resume by it, so it stays as it is for ever.
package struct EpochPlan: Sendable {
  /// How long a run is.
  package enum Length: Sendable, Equatable {
    /// `num_train_epochs`; may be a fraction, of which started steps count.
    case epochs(Double)
    /// `max_steps`.
    case steps(Int)
  }

  package let rowCount: Int
  package let globalBatchSize: Int
  package let seed: UInt64
  /// Steps of a whole epoch.
  package let stepsPerEpoch: Int
  /// Steps of the whole run.
  package let stepCount: Int
  private var cachedEpoch = -1
  private var cachedOrder: [Int] = []

  /// - Precondition: at least one row.
  /// - Throws: configuration errors that name the key.
  package init(rowCount: Int, globalBatchSize: Int, seed: Int, length: Length) throws {
    precondition(rowCount > 0, "a plan needs rows")
    guard globalBatchSize > 0 else {
      throw TregError.configuration(
        at: "global_batch_size", "expected a number of at least 1, found \(globalBatchSize)")
    }
    self.rowCount = rowCount
    self.globalBatchSize = globalBatchSize
    self.seed = UInt64(bitPattern: Int64(seed))
    stepsPerEpoch = (rowCount - 1) / globalBatchSize + 1
    switch length {
    case .epochs(let epochs):
      let steps = (epochs * Double(stepsPerEpoch)).rounded(.up)
      guard epochs > 0, steps < 0x1p53 else {
        throw TregError.configuration(at: "num_train_epochs", "expected a number above 0, found \(epochs)")
      }
      stepCount = Int(steps)
    case .steps(let steps):
      guard steps > 0 else {
        throw TregError.configuration(at: "max_steps", "expected a number of at least 1, found \(steps)")
      }
      stepCount = steps
    }
  }

  /// Where a step stands: its epoch and the batch within it, both from 0.
  package func position(ofStep step: Int) -> (epoch: Int, batch: Int) {
    precondition(step >= 0, "steps count from 0")
    return (step / stepsPerEpoch, step % stepsPerEpoch)
  }

  /// Epochs that are complete after `steps` steps, with the fraction of the one under way.
  package func epochs(afterSteps steps: Int) -> Double { Double(steps) / Double(stepsPerEpoch) }

  /// The rows of the step's global batch, as indices in 0..<rowCount. The order of one epoch is kept between calls.
  package mutating func batch(ofStep step: Int) -> [Int] {
    let (epoch, batch) = position(ofStep: step)
    if epoch != cachedEpoch {
      cachedOrder = order(ofEpoch: epoch)
      cachedEpoch = epoch
    }
    let start = batch * globalBatchSize
    return Array(cachedOrder[start..<min(rowCount, start + globalBatchSize)])
  }

  /// The rows that the first `steps` steps take; nil: all.
  package func rows(ofSteps steps: Int) -> Set<Int>? {
    steps < stepsPerEpoch ? Set(order(ofEpoch: 0).prefix(steps * globalBatchSize)) : nil
  }

  /// All rows in the order of an epoch.
  package func order(ofEpoch epoch: Int) -> [Int] {
    var generator = SplitMix64(seed: SplitMix64.mix(seed &+ 0x9E37_79B9_7F4A_7C15 &* UInt64(epoch + 1)))
    var order = Array(0..<rowCount)
    for last in stride(from: rowCount - 1, to: 0, by: -1) {
      order.swapAt(last, generator.next(below: last + 1))
    }
    return order
  }
}
