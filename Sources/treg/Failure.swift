import Collectives
import Foundation
import Reporting
import RunFolder
import Watch

/// The end of a rank whose work has failed: one line for users that names the first cause, and a report in the run folder.
///
/// An error that all ranks throw is told by rank 0, and all leave in order. One that only this rank met is told by it, and ends
/// the others, which would wait for ever. What MPI throws is an echo of another rank's end: that one's report is waited for, and told.
struct Failure {
  private let error: any Error
  private let known: TregError?
  private let communicator: Communicator
  /// Where a report may go: the folder that the run has taken, or that an earlier start has made.
  private let layout: RunLayout?
  private let isShared: Bool
  private let isEcho: Bool

  /// Seconds that a first cause has to be written in.
  private static let patience = 2.0

  init(_ error: any Error, communicator: Communicator, layout: RunLayout?) {
    self.error = error
    self.communicator = communicator
    known = error as? TregError
    isShared = communicator.size == 1 || known?.isOnAllRanks == true
    isEcho = !isShared && known?.exitCode == .unavailable
    if let known, [.preempted, .interrupted, .done].contains(known.exitCode) {
      // Somebody asked for this end.
      self.layout = nil
    } else if let own = Watchdog.layout {
      self.layout = own
    } else if let layout, !isShared || known == nil || known?.exitCode == .bug,
      FileSystem.kind(of: layout.run) == .folder
    {
      self.layout = layout
    } else {
      self.layout = nil
    }
  }

  func end() -> Never {
    if isEcho { endAsEcho() }
    let code = known?.exitCode ?? .bug
    guard isShared else {
      tell(report(rank: communicator.rank, host: communicator.hostName))
      Watchdog.leave(within: 10, code)
      communicator.abort(code)
    }
    if communicator.rank == 0 {
      let culprit = known?.culprit ?? TregError.Culprit(rank: 0, host: communicator.hostName)
      tell(report(rank: culprit.rank, host: culprit.host))
    }
    Session.leave(communicator, code)
  }

  private func report(rank: Int, host: String) -> ErrorReport {
    let moment = Pulse.moment
    return ErrorReport(error, rank: rank, step: moment.step, phase: moment.phase, isEcho: isEcho, host: host)
  }

  private func tell(_ report: ErrorReport) {
    guard let layout, (try? report.write(in: layout)) != nil else {
      _ = Console.fail(error)
      return
    }
    if known?.culprit == nil {
      _ = Console.fail(report, in: layout)
    } else {
      // The message names the rank itself.
      Console.note("treg: \(Console.line(of: error)) → \(layout.relative(layout.error(rank: report.rank)))")
    }
  }

  /// MPI is of no use any more, not even to end the others: what started them does.
  private func endAsEcho() -> Never {
    Watchdog.leave(within: Self.patience + 5, .unavailable)
    let own = report(rank: communicator.rank, host: communicator.hostName)
    guard let layout, (try? own.write(in: layout)) != nil else {
      _ = Console.fail(error)
      _exit(ExitCode.unavailable.rawValue)
    }
    var cause: FirstCause?
    let end = Machine.monotonic + Self.patience
    repeat {
      cause = try? FirstCause.find(in: layout)
      if let cause, !cause.report.isEcho { break }
      usleep(50_000)
    } while Machine.monotonic < end
    let reporting = (try? ErrorReport.all(in: layout))?.filter(\.isEcho).map(\.rank).min()
    if reporting == communicator.rank || reporting == nil {
      Console.note("treg: \(cause?.line(in: layout) ?? own.line)")
    }
    _exit((cause?.report.exitCode ?? .unavailable).rawValue)
  }
}
