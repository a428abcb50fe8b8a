import Dispatch
import Glibc
import Synchronization

/// Signals to the launcher, passed on to what it started, over as many starts as there are.
///
/// The first of each asks ranks to stop after the step: mpirun passes SIGUSR1 on. The second SIGINT or SIGTERM ends
/// mpirun, which ends the ranks. If it has not ended then after a grace time, or at a third signal, its process group is
/// killed: a second SIGTERM would make mpirun crash, and one that waits for a lost host may wait for ever.
package final class ForwardedSignals: Sendable {
  private enum Stage: Int { case running, asked, terminated, killed }

  private struct State {
    var process: pid_t?
    var stage = Stage.running
    var isAsked = false
    var wasInterrupted = false
    var wasEnded = false
  }

  /// Seconds between SIGTERM and SIGKILL: mpirun takes 16 to give up a host behind a link that is cut.
  private let grace: Double
  private let state = Mutex(State())
  private let queue = DispatchQueue(label: "signals")
  // Dispatch objects may be used from any thread; the protocol does not say so.
  private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

  /// Takes the signals over; children start with the usual ones.
  package init(grace: Double = 17) {
    self.grace = grace
    let (queue, numbers) = (queue, [SIGINT, SIGTERM, SIGUSR1])
    sources = numbers.map { number in
      signal(number, SIG_IGN)
      return DispatchSource.makeSignalSource(signal: number, queue: queue)
    }
    for (source, number) in zip(sources, numbers) {
      source.setEventHandler { [weak self] in self?.received(number) }
      source.activate()
    }
  }

  /// Whether SIGINT came.
  package var wasInterrupted: Bool { state.withLock { $0.wasInterrupted } }

  /// Whether somebody asked to stop.
  package var isAsked: Bool { state.withLock { $0.isAsked } }

  /// Whether somebody did not wait for the step's end.
  package var wasEnded: Bool { state.withLock { $0.wasEnded } }

  /// Names the process to pass signals on to; one that came before is passed on now.
  package func start(_ process: pid_t) {
    state.withLock { state in
      state.process = process
      state.stage = .running
      if state.isAsked { Self.ask(&state) }
    }
  }

  /// The process has ended: its number may belong to another one soon.
  package func finish() { state.withLock { $0.process = nil } }

  /// No signal is taken any more.
  package func close() {
    finish()
    for source in sources { source.cancel() }
  }

  /// Ends the process, which asks nobody's leave: SIGTERM, and after the grace time SIGKILL.
  package func end() { state.withLock { terminate(&$0) } }

  private func received(_ number: Int32) {
    state.withLock { state in
      if number == SIGINT { state.wasInterrupted = true }
      state.isAsked = true
      switch state.stage {
      case .running: Self.ask(&state)
      case .asked:
        guard number != SIGUSR1 else { break }
        state.wasEnded = true
        terminate(&state)
      case .terminated: if number != SIGUSR1 { destroy(&state) }
      case .killed: break
      }
    }
  }

  private static func ask(_ state: inout State) {
    guard let process = state.process else { return }
    state.stage = .asked
    kill(process, SIGUSR1)
  }

  private func terminate(_ state: inout State) {
    guard let process = state.process, state.stage.rawValue < Stage.terminated.rawValue else { return }
    state.stage = .terminated
    kill(process, SIGTERM)
    queue.asyncAfter(deadline: .now() + grace) { [weak self] in
      self?.state.withLock { state in
        // Another process may be under way by now.
        if state.process == process, state.stage == .terminated { self?.destroy(&state) }
      }
    }
  }

  private func destroy(_ state: inout State) {
    guard let process = state.process else { return }
    state.stage = .killed
    kill(-process, SIGKILL)
    kill(process, SIGKILL)
  }
}
