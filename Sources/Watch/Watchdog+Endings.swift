import Glibc
import Reporting
import RunFolder

/// How a watchdog ends its process: a report in the run's folder, a line on standard error, `_exit(75)`.
extension Watchdog {
  /// This rank stands still.
  static func stalled(_ moment: Pulse.Moment, seconds: Double) -> Never {
    let place =
      moment.isFlushing
      ? " in flushing a file"
      : moment.isAtFile ? " in a call for a file" : moment.layer.map { " in layer \($0)" } ?? ""
    end(report(moment, "no progress for \(words(seconds))" + place, isEcho: false), speaks: true)
  }

  /// Others stand still, or are out of reach.
  static func waited(_ moment: Pulse.Moment, for missed: [Int], seconds: Double) -> Never {
    let (rank, size, hasJoined) = state.withLock { ($0.rank, $0.size, $0.hasJoined) }
    let whom =
      !hasJoined
      ? "all ranks to start"
      : missed.isEmpty
        ? "the other ranks" : (missed.count == 1 ? "rank " : "ranks ") + missed.map(String.init).joined(separator: ", ")
    let bucket = bucket(moment)
    var report = report(
      moment, "waited \(words(seconds)) for \(whom)" + (bucket.map { " in \($0)" } ?? ""), isEcho: hasJoined)
    report.missed = missed
    report.bucket = bucket
    // All that wait come to this at about the same time; one line is enough.
    end(report, speaks: rank == (0..<size).first { !missed.contains($0) })
  }

  /// What started this rank is gone, and with it every way to end it in order.
  static func orphaned() -> Never {
    var report = report(Pulse.moment, "the process that started this rank has ended", isEcho: true)
    report.cause = .error
    end(report, speaks: false)
  }

  private static func report(_ moment: Pulse.Moment, _ message: String, isEcho: Bool) -> ErrorReport {
    let (rank, host) = state.withLock { ($0.rank, $0.host) }
    var report = ErrorReport(
      TregError(.preempted, message), rank: rank, step: moment.step, phase: moment.phase, isEcho: isEcho, host: host)
    report.cause = .stall
    return report
  }

  private static func bucket(_ moment: Pulse.Moment) -> String? {
    guard let offset = moment.offset, let name = state.withLock({ $0.nameOffset }) else { return nil }
    return name(offset)
  }

  private static func words(_ seconds: Double) -> String {
    NumberFormat.fixed(seconds, decimals: seconds < 10 ? 1 : 0) + " s"
  }

  private static func end(_ report: ErrorReport, speaks: Bool) -> Never {
    let code = report.exitCode.rawValue
    // A disk or a pipe that hangs, too, must not keep this process.
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { _ in
        sleep(5)
        _exit(ExitCode.preempted.rawValue)
      }, nil)
    let layout = layout
    let isKept = layout.map { layout in (try? report.write(in: layout)) != nil } ?? false
    if !speaks {
      // Who speaks has the time to.
      usleep(1_500_000)
    } else if isKept, let layout, let cause = try? FirstCause.find(in: layout) {
      // A rank with a failure of its own has told it.
      if cause.rank == report.rank || cause.report.isEcho || cause.evidence == .silence {
        Console.note("treg: \(cause.line(in: layout))")
      }
    } else {
      Console.note("treg: \(report.line)")
    }
    _exit(code)
  }
}
