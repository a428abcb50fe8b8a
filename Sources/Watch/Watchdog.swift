import CPulse
import Glibc
import OrderedJSON
import RunFolder
import Synchronization

/// Ends this rank when it stands still, and shows the others that it lives.
///
/// A thread of its own looks at the ``Pulse`` every half second. It calls nothing of MPI, and ends the process by `_exit`:
/// `MPI_Abort` hangs on a cut link, and what started the ranks ends them all when one is gone. One process is one rank, so
/// there is one watchdog.
package enum Watchdog {
  struct State {
    var rank = 0
    var size = 1
    var host = Machine.hostName
    var limits = StallLimits()
    var hasJoined = false
    /// Nobody is left to report to when this process has ended; nil: it may outlive whoever started it.
    var parent: pid_t?
    /// Where heartbeats and reports go, and the name of this start.
    var follows: (layout: RunLayout, run: String)?
    var end: (time: Double, code: ExitCode)?
    var nameOffset: (@Sendable (Int) -> String)?
    var hasBegun = false
  }

  static let state = Mutex(State())

  /// Starts to watch. Reports of crashes are left from now on, too.
  ///
  /// - Parameters:
  ///   - rank: this process's, as its environment says.
  ///   - endsWithParent: the process was started by `mpirun` or a scheduler, and ends when that is gone.
  /// - Throws: 78 for a `TREG_STALL_SECONDS` that is no number.
  package static func begin(environment: [String: String], rank: Int, endsWithParent: Bool) throws(TregError) {
    let limits = try StallLimits(environment: environment)
    let isFirst = state.withLock { state in
      defer { state.hasBegun = true }
      state.limits = limits
      state.rank = rank
      state.parent = endsWithParent ? getppid() : nil
      return !state.hasBegun
    }
    describeCrashes()
    guard isFirst else { return }
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      { _ in
        Watchdog.watch()
        return nil
      }, nil)
    precondition(code == 0, "a thread cannot be started")
    pthread_detach(thread)
  }

  /// The ranks know each other now.
  package static func joined(rank: Int, size: Int, host: String) {
    state.withLock {
      $0.rank = rank
      $0.size = size
      $0.host = host
      $0.hasJoined = true
    }
    describeCrashes()
  }

  /// The run has this folder now: heartbeats and reports go there.
  ///
  /// - Parameter run: a name that all ranks of this start have in common, and no other start has.
  package static func follow(_ layout: RunLayout, run: String) {
    let (rank, limits) = state.withLock { state in
      state.follows = (layout, run)
      return (state.rank, state.limits)
    }
    let file = layout.error(rank: rank)
    pulse_set_crash_file(file, layout.relative(file))
    Heartbeat(rank: rank, run: run, sequence: 0, interval: limits.interval).write(to: layout.heartbeat(rank: rank))
  }

  /// The folder of the run, once the run has it.
  package static var layout: RunLayout? { state.withLock { $0.follows?.layout } }

  /// How reports name a place in the buffer that collectives carry: "bucket 5 (model.layers.7.…)".
  package static func nameOffsets(_ name: @escaping @Sendable (Int) -> String) {
    state.withLock { $0.nameOffset = name }
  }

  /// The process ends with this code by then, whatever hangs.
  package static func leave(within seconds: Double, _ code: ExitCode) {
    state.withLock { $0.end = (Machine.monotonic + seconds, code) }
  }

  /// The run has ended well: its heartbeat goes.
  package static func release() {
    let (layout, rank) = state.withLock { state in
      defer { state.follows = nil }
      return (state.follows?.layout, state.rank)
    }
    pulse_set_crash_file(nil, nil)
    guard let layout else { return }
    unlink(layout.heartbeat(rank: rank))
    // The last one to leave; folders that are not empty stay.
    rmdir(layout.heartbeats)
    rmdir(layout.run)
  }

  /// Collective work of several ranks in a folder that is no run's: they see each other there while it lasts.
  ///
  /// - Parameter run: as ``follow(_:run:)``.
  package static func gather(in folder: String, run: String) throws {
    let layout = RunLayout(folder)
    try FileSystem.createFolder(layout.heartbeats)
    follow(layout, run: run)
  }

  private static func describeCrashes() {
    let (rank, host) = state.withLock { ($0.rank, $0.host) }
    let quoted = JSONValue.string(host).text()
    pulse_report_crashes("rank \(rank) (\(host))", "\"rank\": \(rank), \"host\": \(quoted)")
  }
}

// MARK: The thread

extension Watchdog {
  private static func watch() {
    var clock = Machine.monotonic
    var beats = Pulse.beats
    var changed = clock
    var (written, sequence) = (-Double.infinity, 0)
    var peers = PeerObservations()
    while true {
      let limits = state.withLock { $0.limits }
      usleep(UInt32(limits.tick * 1e6))
      let now = Machine.monotonic
      // This process was stopped, its machine slept, or a file system kept this thread: no standstill of the work.
      if now - clock > 4 * limits.tick + 1 {
        changed += now - clock - limits.tick
        peers.shift(by: now - clock - limits.tick)
      }
      clock = now
      if Pulse.beats != beats {
        (beats, changed) = (Pulse.beats, now)
        peers.forget()
      }
      let (rank, size, hasJoined, parent, follows, end) = state.withLock {
        ($0.rank, $0.size, $0.hasJoined, $0.parent, $0.follows, $0.end)
      }
      if let end, now >= end.time { _exit(end.code.rawValue) }
      if let parent, getppid() != parent { orphaned() }
      let moment = Pulse.moment
      let quiet = now - changed
      if let (layout, run) = follows {
        if now - written >= limits.interval {
          sequence += 1
          Heartbeat(rank: rank, run: run, sequence: sequence, interval: limits.interval, moment: moment)
            .write(to: layout.heartbeat(rank: rank))
          // The run may have ended while this was written.
          if state.withLock({ $0.follows == nil }) { unlink(layout.heartbeat(rank: rank)) }
          written = now
        }
        if moment.isWaiting, size > 1, quiet >= limits.interval {
          peers.look(own: rank, size: size, run: run, awaited: moment.peer, now: now) {
            Heartbeat(readingFrom: layout.heartbeat(rank: $0))
          }
        }
      }
      switch StallVerdict.of(
        quiet: quiet, moment: moment, hasJoined: hasJoined, size: size, observed: peers, now: now, limits: limits)
      {
      case .alive: break
      case .stalled: stalled(moment, seconds: quiet)
      case .waits(let missed): waited(moment, for: missed, seconds: quiet)
      }
    }
  }
}
