/// What a run failed of, found in what its ranks left behind: not the rank that complained first, but the one that the
/// others' complaints are about.
package struct FirstCause: Sendable, Equatable {
  package enum Evidence: Sendable, Equatable {
    /// The rank left a report.
    case report
    /// It left none, and others waited for it in vain, or its heartbeat stopped before theirs.
    case silence
  }

  package let evidence: Evidence
  /// Of a silent rank made up here, from its last heartbeat.
  package let report: ErrorReport
  /// The report's file; nil where there is none.
  package let file: String?

  package var rank: Int { report.rank }

  /// `rank 7 (node03) step 412 backward: … → run/errors/rank-00007.json`
  package func line(in layout: RunLayout) -> String {
    report.line + (file.map { " → " + layout.relative($0) } ?? "")
  }

  /// The first cause of a failed run; nil when nothing tells.
  ///
  /// In this order: the earliest report of a failure of a rank's own; a rank without a report that others waited for;
  /// one without a report whose heartbeat stopped well before the others'; the earliest report of any kind.
  ///
  /// - Parameter since: what is older belongs to an earlier attempt. Seconds since 1970.
  package static func find(in layout: RunLayout, since: Double = 0) throws -> FirstCause? {
    let reports = try ErrorReport.all(in: layout).filter { $0.time >= since }
    return find(among: reports, Heartbeat.all(in: layout).filter { $0.time >= since }, in: layout)
  }

  /// The same of reports and heartbeats that are known to belong to one attempt.
  package static func find(
    among reports: [ErrorReport], _ heartbeats: [Heartbeat], in layout: RunLayout
  ) -> FirstCause? {
    if let own = ErrorReport.firstCause(of: reports.filter { !$0.isEcho }) { return of(own, layout) }
    if let silent = silent(reports, heartbeats) { return silent }
    return ErrorReport.firstCause(of: reports).map { of($0, layout) }
  }

  private static func of(_ report: ErrorReport, _ layout: RunLayout) -> FirstCause {
    FirstCause(evidence: .report, report: report, file: layout.error(rank: report.rank))
  }

  private static func silent(_ reports: [ErrorReport], _ heartbeats: [Heartbeat]) -> FirstCause? {
    // A stopped rank may wake up when all is over, and complain as an echo.
    let known = Set(
      reports.filter { report in
        let missedAt = reports.filter { $0.missed.contains(report.rank) }.map(\.time).min() ?? .infinity
        return !report.isEcho || report.cause == .stall || report.time <= missedAt
      }.map(\.rank))
    var votes: [Int: Int] = [:]
    for report in reports { for rank in report.missed where !known.contains(rank) { votes[rank, default: 0] += 1 } }
    if let most = votes.values.max() {
      let named = votes.filter { $0.value == most }.keys.sorted()
      let oldest = heartbeats.filter { named.contains($0.rank) }.min { ($0.time, $0.rank) < ($1.time, $1.rank) }
      let witness = reports.first { $0.missed.contains(oldest?.rank ?? named[0]) }
      let waiting = reports.filter { !$0.missed.isEmpty }
      let who = waiting.count == 1 ? "rank \(waiting[0].rank)" : "\(waiting.count) ranks"
      return made(
        oldest, rank: named[0], witness,
        "went silent; \(who) waited for it" + (witness.flatMap(\.bucket).map { " in \($0)" } ?? ""))
    }
    // Without a witness only a clear lead counts: all of them write every few seconds until the end.
    guard heartbeats.count > 1, let newest = heartbeats.map(\.time).max(),
      let oldest = heartbeats.filter({ !known.contains($0.rank) }).min(by: { ($0.time, $0.rank) < ($1.time, $1.rank) }),
      newest - oldest.time > 2 * oldest.interval + 1
    else { return nil }
    return made(oldest, rank: oldest.rank, nil, "went silent, and the others went on without a sign of it")
  }

  private static func made(
    _ heartbeat: Heartbeat?, rank: Int, _ witness: ErrorReport?, _ message: String
  ) -> FirstCause {
    // Who waits for a rank is at its step; the heartbeat is from some time before.
    var report = ErrorReport(
      TregError(.preempted, message), rank: heartbeat?.rank ?? rank, step: witness?.step ?? heartbeat?.moment.step,
      phase: witness?.phase ?? heartbeat?.moment.phase ?? "", host: heartbeat?.host ?? "unknown host",
      time: heartbeat?.time ?? witness?.time ?? 0)
    report.cause = .stall
    report.bucket = witness?.bucket
    return FirstCause(evidence: .silence, report: report, file: nil)
  }
}
