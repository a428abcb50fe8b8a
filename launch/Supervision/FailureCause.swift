import LaunchPlan
import RunFolder

/// Why a start of a run failed: the first cause, not what followed from it.
package struct FailureCause: Sendable, Equatable {
  /// One line for people.
  package let line: String
  /// Where more stands, as seen from the run's folder.
  package let file: String?
  package let isStall: Bool

  /// `line → run/errors/rank-00007.json`
  package var text: String { file.map { "\(line) → \($0)" } ?? line }

  /// - Parameters:
  ///   - reports, heartbeats: of this start.
  ///   - messages: of the program that started the ranks.
  ///   - program: its name.
  /// - Returns: the earliest report that is no echo; else the rank that a signal ended or the host that is lost; else what
  ///   ``FirstCause`` makes of echoes and heartbeats; else what the program said. nil when nobody said anything, as for an
  ///   error that all ranks had and rank 0 has told.
  package init?(
    in reports: [ErrorReport], heartbeats: [Heartbeat], messages: StarterMessages, code: Int32, program: String,
    layout: RunLayout
  ) {
    let found = FirstCause.find(among: reports, heartbeats, in: layout)
    if let cause = messages.cause(among: heartbeats), found.map({ $0.evidence == .silence || $0.report.isEcho }) ?? true
    {
      (line, file, isStall) = (cause, layout.relative(layout.launchLog), false)
    } else if let found {
      (line, file, isStall) = (found.report.line, found.file.map(layout.relative), found.report.isStall)
    } else if FailureKind(code: code, isStall: false) == .passing {
      let remark = messages.remark.map { ": " + $0 } ?? ""
      (line, file, isStall) = ("\(program) ended with \(code)\(remark)", layout.relative(layout.launchLog), false)
    } else {
      return nil
    }
  }
}

extension ErrorReport {
  /// Tells a report from those of earlier starts, whose files may still be there.
  struct Key: Hashable {
    let rank: Int
    let time: Double
  }

  var key: Key { Key(rank: rank, time: time) }
  var isStall: Bool { cause == .stall }
}
