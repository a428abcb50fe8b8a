import Glibc
import LaunchPlan
import Synchronization

/// The processes of jobs under way.
final class RunningJobs: Sendable {
  private struct State {
    var processes: [ShardQueue.Slot: pid_t] = [:]
    var isEnding = false
  }

  private let state = Mutex(State())

  func add(_ process: pid_t, of slot: ShardQueue.Slot) {
    state.withLock { state in
      state.processes[slot] = process
      if state.isEnding { kill(process, SIGTERM) }
    }
  }

  func remove(_ slot: ShardQueue.Slot) { state.withLock { $0.processes[slot] = nil } }

  /// Ends all of them, and those that are just being started.
  func end() {
    state.withLock { state in
      state.isEnding = true
      for process in state.processes.values { kill(process, SIGTERM) }
    }
  }
}

/// What a program said last, for messages.
final class LastLine: Sendable {
  private let line = Mutex("")

  var text: String { line.withLock { $0 } }

  func take(_ text: String) {
    if text.contains(where: \.isLetter) { line.withLock { $0 = text } }
  }
}

/// The log of one job, anew for each try. One that cannot be written ends no job.
final class JobLog: Sendable {
  private let descriptor: Int32

  init(_ path: String) {
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  func append(_ line: String) {
    guard descriptor >= 0 else { return }
    var text = line + "\n"
    text.withUTF8 { bytes in _ = write(descriptor, bytes.baseAddress, bytes.count) }
  }
}
