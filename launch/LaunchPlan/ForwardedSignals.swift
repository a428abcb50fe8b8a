import Dispatch
import Glibc
import Synchronization

/// Signals to the launcher, passed on to what it started.
///
/// The first of each asks ranks to stop after the step: mpirun passes SIGUSR1 on. The second SIGINT or SIGTERM ends
/// mpirun, which ends the ranks.
final class ForwardedSignals: Sendable {
  private struct State {
    var process: pid_t?
    var requests = 0
    var wasInterrupted = false
  }

  private let state = Mutex(State())
  // Dispatch objects may be used from any thread; the protocol does not say so.
  private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

  /// Takes the signals over; children start with the usual ones.
  init() {
    let queue = DispatchQueue(label: "signals")
    sources = [SIGINT, SIGTERM, SIGUSR1].map { number in
      signal(number, SIG_IGN)
      return DispatchSource.makeSignalSource(signal: number, queue: queue)
    }
    for (source, number) in zip(sources, [SIGINT, SIGTERM, SIGUSR1]) {
      source.setEventHandler { [weak self] in self?.received(number) }
      source.activate()
    }
  }

  /// Whether SIGINT came.
  var wasInterrupted: Bool { state.withLock { $0.wasInterrupted } }

  /// Names the process to pass signals on to; one that came before is passed on now.
  func start(_ process: pid_t) {
    state.withLock { state in
      state.process = process
      if state.requests > 0 { kill(process, SIGUSR1) }
    }
  }

  /// The process has ended: its number may belong to another one soon.
  func stop() {
    state.withLock { $0.process = nil }
    for source in sources { source.cancel() }
  }

  private func received(_ number: Int32) {
    state.withLock { state in
      if number == SIGINT { state.wasInterrupted = true }
      state.requests += 1
      guard let process = state.process else { return }
      kill(process, state.requests > 1 && number != SIGUSR1 ? SIGTERM : SIGUSR1)
    }
  }
}
