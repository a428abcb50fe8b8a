/// When a run that failed is started again, and after how long a wait.
///
/// A restart that got as far as a new checkpoint was worth it: the count begins anew.
package struct RestartPolicy: Sendable, Equatable {
  /// Restarts without progress between them.
  package let limit: Int
  /// Restarts since the last progress.
  package private(set) var restarts = 0
  /// The newest checkpoint's step; nil: none.
  private var checkpoint: Int?

  private static let longestWait = 60.0

  /// - Parameter checkpoint: the step of the newest checkpoint before the first start.
  package init(limit: Int, checkpoint: Int?) {
    self.limit = limit
    self.checkpoint = checkpoint
  }

  /// A start has failed.
  ///
  /// - Parameter newest: the step of the newest checkpoint now.
  /// - Returns: seconds to wait before the next start: 1, 2, 4 … 60; nil: enough.
  package mutating func next(newest: Int?) -> Double? {
    if let newest, newest > checkpoint ?? -1 {
      restarts = 0
      checkpoint = newest
    }
    guard restarts < limit else { return nil }
    restarts += 1
    return min(Double(1 << min(restarts - 1, 10)), Self.longestWait)
  }
}
