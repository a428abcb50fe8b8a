import RunFolder
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// Work on a thread of its own, which yields to the threads that compute.
///
/// Linux gives every thread a priority of its own: the work takes the processors' idle time and a small share of the rest, and
/// all of their time when the others wait for it. Its signs of life are apart, and count while somebody waits for it.
package final class BackgroundTask<Value: Sendable>: Sendable {
  /// What the thread leaves, and the thread until somebody has waited for it.
  private struct State {
    var outcome: Result<Value, any Error>?
    var thread: pthread_t?
  }

  private let state = Mutex(State())

  /// - Precondition: the system can start a thread.
  package init(_ body: @escaping @Sendable () throws -> Value) {
    let box = Unmanaged.passRetained(
      ThreadBody { [self] in
        let outcome = Result { try body() }
        state.withLock { $0.outcome = outcome }
      })
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      { box in
        // A whole process, says POSIX; Linux takes 0 for the calling thread.
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, ThreadBody.niceness)
        Pulse.enterBackground()
        Unmanaged<ThreadBody>.fromOpaque(box!).takeRetainedValue().run()
        return nil
      }, box.toOpaque())
    precondition(code == 0, "no thread can be started")
    state.withLock { [thread] in $0.thread = thread }
  }

  /// Whether the work has ended, well or not.
  package var isFinished: Bool { state.withLock { $0.outcome != nil } }

  /// Waits for the end. - Throws: what the work threw.
  package func wait() throws -> Value {
    let thread = state.withLock { state in
      defer { state.thread = nil }
      return state.thread
    }
    if let thread { Pulse.awaitingBackground { _ = pthread_join(thread, nil) } }
    return try state.withLock { $0.outcome! }.get()
  }
}

/// What a thread runs: a C function takes no closure.
private final class ThreadBody {
  static let niceness: Int32 = 10
  let run: () -> Void

  init(_ run: @escaping () -> Void) { self.run = run }
}
