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
/// remembered until the step is over, and a second Ctrl-C leaves at once.
package final class StopRequest: @unchecked Sendable {
  private let code = Atomic<Int>(0)
  private let isWorking = Atomic<Bool>(false)
  /// Kept alive; touched by `listen()` alone, once, before any signal can arrive.
  private var sources: [any DispatchSourceSignal] = []

  package init() {}

  /// Takes over SIGINT, SIGTERM and SIGUSR1 for the rest of the process.
  package func listen() {
    let queue = DispatchQueue(label: "treg.signals")
    for (number, reason) in [(SIGINT, StopReason.interrupted), (SIGTERM, .preempted), (SIGUSR1, .preempted)] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler { [self] in
        let before = code.exchange(reason.rawValue, ordering: .relaxed)
        if !isWorking.load(ordering: .relaxed) {
          Console.note("treg: stopped; nothing was written")
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
