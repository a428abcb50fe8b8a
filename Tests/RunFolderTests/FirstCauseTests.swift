import RunFolder
import Testing

@Suite struct FirstCauseTests {
  private let folder: TemporaryFolder
  private let layout: RunLayout

  init() throws {
    folder = try TemporaryFolder()
    layout = RunLayout(folder.path)
    try FileSystem.createFolder(layout.heartbeats)
  }

  private func beat(_ rank: Int, at time: Double, step: Int = 12, phase: String = "backward") {
    let moment = Pulse.Moment(beats: 5, step: step, phase: phase)
    let heartbeat = Heartbeat(
      rank: rank, host: "node0\(rank)", run: "a", sequence: 3, interval: 2, moment: moment, time: time)
    #expect(heartbeat.write(to: layout.heartbeat(rank: rank)))
  }

  private func waited(_ rank: Int, for missed: [Int], at time: Double, bucket: String? = nil) throws {
    var report = ErrorReport(
      TregError(.preempted, "waited 20 s"), rank: rank, step: 12, phase: "communication", isEcho: true, time: time)
    report.cause = .stall
    report.missed = missed
    report.bucket = bucket
    try report.write(in: layout)
  }

  @Test func nothingTellsOfNothing() throws {
    #expect(try FirstCause.find(in: layout) == nil)
    beat(0, at: 100)
    beat(1, at: 101)
    #expect(try FirstCause.find(in: layout) == nil, "heartbeats that stopped together tell nothing")
  }

  @Test func aFailureOfItsOwnComesBeforeEarlierEchoes() throws {
    try waited(0, for: [1], at: 99)
    let own = ErrorReport(TregError(.badData, "a bad row"), rank: 1, step: 12, phase: "training", host: "b", time: 100)
    try own.write(in: layout)
    let cause = try #require(try FirstCause.find(in: layout))
    #expect(cause.evidence == .report && cause.rank == 1)
    #expect(cause.line(in: layout) == "rank 1 (b) step 12 training: a bad row → run/errors/rank-00001.json")
    #expect(try FirstCause.find(in: layout, since: 99.5)?.rank == 1)
    #expect(try FirstCause.find(in: layout, since: 101) == nil, "that was another attempt")
  }

  @Test func whoLeftNothingIsNamedByThoseWhoWaited() throws {
    for rank in 0..<4 where rank != 3 {
      beat(rank, at: 120)
      try waited(rank, for: [3], at: 121, bucket: "bucket 4 (model.layers.7.mlp.up_proj.weight)")
    }
    beat(3, at: 99, step: 11)
    let cause = try #require(try FirstCause.find(in: layout))
    #expect(cause.evidence == .silence && cause.file == nil)
    #expect(
      cause.line(in: layout)
        == "rank 3 (node03) step 12 communication: went silent; 3 ranks waited for it in bucket 4 (model.layers.7.mlp.up_proj.weight)"
    )
    #expect(cause.report.cause == .stall && cause.report.exitCode == .preempted)
  }

  /// Who has left a report is not silent, whoever missed it.
  @Test func aRankThatReportedIsNotSilent() throws {
    try waited(0, for: [1], at: 100)
    try waited(1, for: [0], at: 101)
    #expect(try FirstCause.find(in: layout)?.rank == 0)
  }

  /// mpirun wakes a stopped rank before it kills it.
  @Test func aRankThatWakesWhenAllIsOverIsStillTheCause() throws {
    for rank in [0, 2] { try waited(rank, for: [1], at: 100) }
    let lost = TregError(.unavailable, "rank 1 (node01): MPI_Test failed")
    try ErrorReport(lost, rank: 1, step: 12, phase: "communication", isEcho: true, time: 101).write(in: layout)
    beat(1, at: 101)
    let cause = try #require(try FirstCause.find(in: layout))
    #expect(cause.rank == 1 && cause.evidence == .silence)
    #expect(cause.report.message == "went silent; 2 ranks waited for it")
  }

  @Test func aHeartbeatThatStoppedEarlyIsTheCause() throws {
    for rank in 0..<3 { beat(rank, at: rank == 1 ? 90 : 100) }
    let cause = try #require(try FirstCause.find(in: layout))
    #expect(cause.rank == 1 && cause.evidence == .silence)
    #expect(cause.report.line.hasPrefix("rank 1 (node01) step 12 backward: went silent"))
  }

  @Test func heartbeatsSurviveTheirFiles() throws {
    var moment = Pulse.Moment(beats: .max, step: 7, phase: "communication", isWaiting: true, peer: 2, offset: 1 << 40)
    let heartbeat = Heartbeat(rank: 5, host: "a\"b", run: "x", sequence: 9, interval: 0.5, moment: moment)
    let path = layout.heartbeat(rank: 5)
    #expect(heartbeat.write(to: path))
    #expect(Heartbeat(readingFrom: path) == heartbeat)
    moment.peer = nil
    var next = heartbeat
    next.moment = moment
    next.sequence = 10
    #expect(next.write(to: path) && Heartbeat(readingFrom: path) == next, "written over in place")
    #expect(try FileSystem.size(of: path) == 512)
    try AtomicFile.write(String(repeating: "x", count: 512), to: path)
    #expect(Heartbeat(readingFrom: path) == nil)
    #expect(Heartbeat(readingFrom: layout.heartbeat(rank: 6)) == nil)
  }

  @Test func reportsKeepWhatTheyAreAbout() throws {
    var report = ErrorReport(
      TregError(.ranksDisagree, "other weights"), rank: 2, step: 4, phase: "communication", host: "c", time: 5)
    report.bucket = "bucket 1 (lm_head.weight)"
    report.rows = [3, 9]
    report.missed = [1]
    report.backtrace = ["treg + 0x10"]
    try report.write(in: layout)
    #expect(report.cause == .disagree)
    #expect(try ErrorReport.all(in: layout) == [report])
    #expect(try ErrorReport.firstCause(in: layout) == report)
  }
}
