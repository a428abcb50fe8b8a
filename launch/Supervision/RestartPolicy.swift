/// When a run that failed is started again, and after how long a wait.
///
/// A start that got further, to a new checkpoint or to more scores, was worth it: the count begins anew.
package struct RestartPolicy: Sendable, Equatable {
  /// Restarts without progress between them.
  package let limit: Int
  /// Restarts since the last progress.
  package private(set) var restarts = 0
  private var progress: RunProgress

  private static let longestWait = 60.0

  /// - Parameter progress: before the first start.
  package init(limit: Int, progress: RunProgress) {
    self.limit = limit
    self.progress = progress
  }

  /// A start has failed.
  ///
  /// - Parameter newest: how far the run has come now.
  /// - Returns: seconds to wait before the next start: 1, 2, 4 … 60; nil: enough.
  package mutating func next(_ newest: RunProgress) -> Double? {
    if newest > progress {
      restarts = 0
      progress = newest
    }
    guard restarts < limit else { return nil }
    restarts += 1
    return min(Double(1 << min(restarts - 1, 10)), Self.longestWait)
  }
}
