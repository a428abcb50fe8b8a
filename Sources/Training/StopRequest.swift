import Dispatch
import Reporting
import RunFolder
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// Why a run is to end after the step under way.
package enum StopReason: Int, Sendable, Comparable {
  /// The file OUT/run/stop was touched.
  case file = 1
  /// SIGTERM or SIGUSR1: a scheduler wants the node.
  case preempted = 2
  /// SIGINT: Ctrl-C.
  case interrupted = 3

  package static func < (left: StopReason, right: StopReason) -> Bool { left.rawValue < right.rawValue }

  package var exitCode: ExitCode {
    switch self {
    case .file: .done
    case .preempted: .preempted
    case .interrupted: .interrupted
    }
  }
}

/// Signals that ask a run to end. Before ``beginWork()`` there is nothing to save and they end the process; then the first is
/// remembered until the step is over, and a second Ctrl-C leaves at once. A process that is about to end by itself ends as
/// it meant to: `mpirun` sends SIGTERM to all ranks as soon as the first one has left with an error.
package final class StopRequest: @unchecked Sendable {
  private let code = Atomic<Int>(0)
  private let isWorking = Atomic<Bool>(false)
  /// Kept alive; touched by `listen` alone, once, before any signal can arrive.
  private var sources: [any DispatchSourceSignal] = []

  package init() {}

  /// Takes over SIGINT, SIGTERM and SIGUSR1 for the rest of the process, and does the work that they may end.
  ///
  /// - Parameter speaks: whether it falls to this rank to say that nothing was written.
  package func listening<Result>(speaks: Bool, _ work: () throws -> Result) rethrows -> Result {
    listen(speaks: speaks)
    // What follows is the end, with its own code and its own words.
    defer { beginWork() }
    return try work()
  }

  private func listen(speaks: Bool) {
    let queue = DispatchQueue(label: "treg.signals")
    for (number, reason) in [(SIGINT, StopReason.interrupted), (SIGTERM, .preempted), (SIGUSR1, .preempted)] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler { [self] in
        let before = code.exchange(reason.rawValue, ordering: .relaxed)
        if !isWorking.load(ordering: .relaxed) {
          if speaks { Console.note("treg: stopped; nothing was written") }
          _exit(reason.exitCode.rawValue)
        }
        if before == StopReason.interrupted.rawValue, reason == .interrupted { _exit(ExitCode.interrupted.rawValue) }
      }
      source.resume()
      sources.append(source)
    }
  }

  /// From now on a signal waits for a good moment.
  package func beginWork() { isWorking.store(true, ordering: .relaxed) }

  package var reason: StopReason? { StopReason(rawValue: code.load(ordering: .relaxed)) }
}
