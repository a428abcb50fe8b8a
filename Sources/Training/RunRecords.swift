import Reporting
import RunFolder

/// What a run tells those who watch it: lines of metrics and its status. A disk that is full does not end the run for it:
/// lines wait until there is room again.
final class RunRecords {
  private let writesMetrics: Bool
  private let writer: MetricsWriter?
  private let statusPath: String?
  private var waiting: [MetricsLine] = []
  /// Those of the two that could not be written when it was last tried.
  private var failing: Set<Record> = []
  private enum Record { case metrics, status }
  /// Lines that wait at most; then the oldest are lost.
  private static let mostWaiting = 10_000

  /// - Parameters:
  ///   - resumedStep: as ``MetricsWriter/init(_:resumedStep:)``.
  ///   - writesMetrics, writesStatus: what falls to this rank.
  init(_ layout: RunLayout, resumedStep: Int, writesMetrics: Bool, writesStatus: Bool) throws {
    self.writesMetrics = writesMetrics
    writer = writesMetrics ? try MetricsWriter(layout.metrics, resumedStep: resumedStep) : nil
    statusPath = writesStatus ? layout.status : nil
  }

  func append(_ line: MetricsLine) throws {
    guard writesMetrics else { return }
    waiting.append(line)
    try surviving(.metrics) { try send() }
    if waiting.count > Self.mostWaiting { waiting.removeFirst() }
  }

  func write(_ status: inout RunStatus) throws {
    guard let statusPath else { return }
    try surviving(.status) { try status.write(to: statusPath) }
  }

  /// Writes what waits, and flushes it to the disk: the lines of its steps should outlive a power cut that a checkpoint does.
  func settle() throws { try surviving(.metrics) { try flush() } }

  /// The same at the end of a run, which a full disk does end.
  func flush() throws {
    try send()
    try writer?.flush()
  }

  private func send() throws {
    while let line = waiting.first {
      try writer?.append(line)
      waiting.removeFirst()
    }
  }

  private func surviving(_ record: Record, _ body: () throws -> Void) throws {
    do {
      try body()
      failing.remove(record)
    } catch let error as TregError where error.exitCode == .inputOutput {
      // Once, not at every step.
      if failing.insert(record).inserted { Console.note("WARNING: \(error); training goes on") }
    }
  }
}
