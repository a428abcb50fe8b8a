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
  ///   - reports: of this start, the earliest first.
  ///   - messages: of the program that started the ranks.
  ///   - program: its name.
  /// - Returns: the earliest report that is no echo; else the rank that a signal ended or the host that is lost; else the
  ///   earliest echo; else what the program said. nil when nobody said anything, as for an error that all ranks had and
  ///   rank 0 has told.
  package init?(
    in reports: [FailureReport], messages: StarterMessages, code: Int32, program: String, layout: RunLayout
  ) {
    func relative(_ report: FailureReport) -> String {
      layout.relative(FileSystem.join(layout.errors, report.file))
    }
    if let report = reports.first(where: { !$0.isEcho }) {
      (line, file, isStall) = (report.line, relative(report), report.isStall)
    } else if let cause = messages.cause {
      (line, file, isStall) = (cause, layout.relative(layout.launchLog), false)
    } else if let (rank, report) = Self.silent(in: reports) {
      let others = reports.count(where: { $0.missed.contains(rank) })
      line =
        "rank \(rank)\(report.step.map { " step \($0)" } ?? ""): went silent; \(others) rank\(others == 1 ? "" : "s") waited for it"
        + (report.bucket.map { " in \($0)" } ?? "")
      (file, isStall) = (relative(report), true)
    } else if let report = reports.first {
      (line, file, isStall) = (report.line, relative(report), report.isStall)
    } else if FailureKind(code: code, isStall: false) == .passing {
      let remark = messages.remark.map { ": " + $0 } ?? ""
      (line, file, isStall) = ("\(program) ended with \(code)\(remark)", layout.relative(layout.launchLog), false)
    } else {
      return nil
    }
  }

  /// The rank that most others waited for and that has left no report of its own, and the first report of such a wait.
  private static func silent(in reports: [FailureReport]) -> (rank: Int, report: FailureReport)? {
    let heard = Set(reports.map(\.rank))
    var counts: [Int: Int] = [:]
    for rank in reports.flatMap(\.missed) where !heard.contains(rank) { counts[rank, default: 0] += 1 }
    guard let most = counts.max(by: { ($0.value, -$0.key) < ($1.value, -$1.key) }) else { return nil }
    return reports.first { $0.missed.contains(most.key) }.map { (most.key, $0) }
  }
}
