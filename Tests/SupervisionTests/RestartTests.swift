import Glibc
import OrderedJSON
import RunFolder
import Supervision
import Testing

/// A run's folder of a test's own.
final class RunFolderScratch {
  let layout: RunLayout

  init() throws {
    var template = Array("/tmp/treg-tests-XXXXXX".utf8CString)
    layout = RunLayout(String(cString: try #require(mkdtemp(&template))))
    try FileSystem.createFolder(layout.errors)
  }

  deinit { try? FileSystem.remove(layout.root) }

  func report(_ rank: Int, _ text: String) throws {
    try AtomicFile.write(text, to: layout.error(rank: rank))
  }
}

@Suite struct RestartPolicyTests {
  @Test func waitsDoubleUpToAMinute() {
    let none = RunProgress(checkpoint: nil)
    var policy = RestartPolicy(limit: 9, progress: none)
    #expect((0..<10).map { _ in policy.next(none) } == [1, 2, 4, 8, 16, 32, 60, 60, 60, nil])
  }

  @Test func aNewCheckpointBeginsTheCountAnew() {
    func at(_ step: Int) -> RunProgress { RunProgress(checkpoint: step, scores: 7) }
    var policy = RestartPolicy(limit: 2, progress: at(10))
    #expect(policy.next(at(10)) == 1 && policy.next(at(10)) == 2)
    #expect(policy.next(at(20)) == 1 && policy.restarts == 1)
    #expect(policy.next(at(20)) == 2 && policy.next(at(20)) == nil)
    // One that is older than another that was there is no progress.
    var other = RestartPolicy(limit: 1, progress: at(30))
    #expect(other.next(at(20)) == 1 && other.next(at(20)) == nil)
  }

  @Test func moreScoresBeginTheCountAnew() {
    func at(_ scores: Int) -> RunProgress { RunProgress(checkpoint: nil, scores: scores) }
    var policy = RestartPolicy(limit: 1, progress: at(0))
    #expect(policy.next(at(100)) == 1 && policy.next(at(200)) == 1 && policy.next(at(200)) == nil)
    #expect(RunProgress(checkpoint: 1) > at(1000), "a checkpoint is further than any scores")
  }

  @Test func noneMeansNone() {
    var policy = RestartPolicy(limit: 0, progress: RunProgress(checkpoint: nil))
    #expect(policy.next(RunProgress(checkpoint: 5)) == nil)
  }

  @Test func theFolderTellsHowFarARunIs() throws {
    let scratch = try RunFolderScratch()
    #expect(RunProgress(of: scratch.layout).text == "the start")
    try FileSystem.createFolder(FileSystem.join(scratch.layout.rewards, "eval"))
    try AtomicFile.write("abc", to: FileSystem.join(scratch.layout.rewards, "shard-00000-of-00002.part"))
    try AtomicFile.write("de", to: FileSystem.join(scratch.layout.rewards, "eval/shard-00000-of-00002.part"))
    let scored = RunProgress(of: scratch.layout)
    // The folder `eval` has a size of its own.
    #expect(scored.scores >= 5 && scored.text == "the scores made so far")
    try FileSystem.createFolder(scratch.layout.checkpoint(step: 4))
    #expect(RunProgress(of: scratch.layout) > scored && RunProgress(of: scratch.layout).text == "checkpoint-4")
  }
}

@Suite struct FailureCauseTests {
  private static func cause(_ scratch: RunFolderScratch, _ lines: [String] = [], code: Int32 = 75) -> FailureCause? {
    var messages = StarterMessages()
    for line in lines { messages.take(line) }
    return FailureCause(
      in: (try? ErrorReport.all(in: scratch.layout)) ?? [], heartbeats: Heartbeat.all(in: scratch.layout),
      messages: messages, code: code, program: "mpirun", layout: scratch.layout)
  }

  private static let killed =
    "mpirun noticed that process rank 1 with PID 0 on node n2 exited on signal 11 (Segmentation fault)."

  @Test func theEarliestThatIsNoEcho() throws {
    let scratch = try RunFolderScratch()
    try scratch.report(
      0,
      #"{"rank":0,"host":"n1","step":4,"phase":"sum","message":"MPI_Wait: peer lost","exit_code":69,"echo":true,"time":1.0,"cause":"error"}"#
    )
    try scratch.report(
      2,
      #"{"rank":2,"host":"n3","step":5,"phase":"backward","message":"late","exit_code":75,"echo":false,"time":3.0,"cause":"stall"}"#
    )
    try scratch.report(
      7,
      #"{"rank":7,"host":"node03","step":412,"phase":"backward","message":"no progress in 120 s","exit_code":75,"echo":false,"time":2.0,"cause":"stall"}"#
    )
    try scratch.report(9, "{ half a rep")
    let cause = try #require(Self.cause(scratch, [Self.killed]))
    #expect(
      cause.text == "rank 7 (node03) step 412 backward: no progress in 120 s → run/errors/rank-00007.json")
    #expect(cause.isStall)
  }

  @Test func reportsOfRanksCount() throws {
    let scratch = try RunFolderScratch()
    try ErrorReport(TregError.inputOutput(at: "x", "disk full"), rank: 3, step: nil, phase: "saving", host: "n1").write(
      in: scratch.layout)
    #expect(Self.cause(scratch)?.line == "rank 3 (n1) saving: x: disk full")
  }

  /// Who hangs in the kernel leaves nothing; others tell whom they waited for.
  @Test func aSilentRankIsNamedByThoseWhoWaited() throws {
    let scratch = try RunFolderScratch()
    for rank in 0..<3 {
      try scratch.report(
        rank,
        #"{"rank":RANK,"host":"n1","step":5,"phase":"communication","message":"waited","exit_code":75,"echo":true,"time":1.5,"missed":[3],"bucket":"bucket 4 (x)"}"#
          .replacing("RANK", with: "\(rank)"))
    }
    let cause = try #require(Self.cause(scratch))
    #expect(
      cause.line == "rank 3 (unknown host) step 5 communication: went silent; 3 ranks waited for it in bucket 4 (x)"
        && cause.isStall)
  }

  @Test func aKilledRankComesBeforeEchoes() throws {
    let scratch = try RunFolderScratch()
    try scratch.report(
      0, #"{"rank":0,"host":"n1","step":4,"phase":"sum","message":"peer lost","exit_code":69,"echo":true,"time":1.0}"#)
    #expect(Self.cause(scratch, [Self.killed])?.line == "rank 1 (n2): killed by signal 11 (segmentation fault)")
    #expect(Self.cause(scratch, [])?.line == "rank 0 (n1) step 4 sum: peer lost")
  }

  @Test(arguments: [
    (
      ["  HNP daemon   : [[1,0],0] on node n1", "  Remote daemon: [[1,0],2] on node n3"],
      "host n3: lost, its daemon no longer answers"
    ),
    (
      ["srun: error: Node failure on n2", "srun: error: n1: task 0: Terminated"],
      "host n2: lost, its daemon no longer answers"
    ),
    (["srun: error: n2: task 1: Killed", "srun: error: n1: task 0: Terminated"], "rank 1 (n2): killed (Killed)"),
    (
      ["=   RANK 1 PID 33 RUNNING AT n1", "=   KILLED BY SIGNAL: 9 (Killed)"],
      "rank 1 (n1): killed by signal 9 (by hand, or by the kernel when memory ran out)"
    ),
    (
      // As Hydra says it of ranks on several hosts; nobody's heartbeat has that number.
      ["=   PID 0 RUNNING AT n1", "=   EXIT CODE: 9"],
      "process 0 (n1): killed by signal 9 (by hand, or by the kernel when memory ran out)"
    ),
    (["----", "There are not enough slots"], "mpirun ended with 213: There are not enough slots"),
    ([], "mpirun ended with 213"),
  ])
  func programsTellToo(lines: [String], expected: String) throws {
    let cause = Self.cause(try RunFolderScratch(), lines, code: lines.first?.hasPrefix("srun") == true ? 137 : 213)
    #expect(cause?.line == expected)
    #expect(cause?.file == "run/logs/launch.log")
  }

  /// Hydra names no ranks on several hosts; their heartbeats tell whose process it was.
  @Test func aProcessIsNamedByItsHeartbeat() throws {
    var messages = StarterMessages()
    let host = Machine.hostName
    messages.take("=   PID \(Machine.processIdentifier) RUNNING AT \(host)")
    messages.take("=   EXIT CODE: 9")
    let heartbeat = Heartbeat(rank: 5, run: "r", sequence: 1, interval: 1)
    #expect(messages.cause(among: [heartbeat])?.hasPrefix("rank 5 (\(host)): killed by signal 9") == true)
    var elsewhere = heartbeat
    elsewhere.host += "x"
    #expect(messages.cause(among: [elsewhere])?.hasPrefix("process \(Machine.processIdentifier) (") == true)
  }

  /// An error that all ranks had was told by rank 0 and is not told again.
  @Test func sharedErrorsHaveNoFurtherLine() throws {
    #expect(Self.cause(try RunFolderScratch(), code: 65) == nil)
  }
}

@Suite struct LaunchRecordTests {
  @Test func whatIsWrittenIsRead() throws {
    let scratch = try RunFolderScratch()
    let text =
      #"{"state":"waiting","process":1,"host":"n1","started":1.5,"attempt":2,"ranks":4,"threads":2,"hosts":["n1","n2"],"max_restarts":3,"command":["mpirun"],"endings":[{"attempt":0,"time":2.5,"code":137,"cause":"killed"}],"exit_code":null}"#
    try AtomicFile.write(text, to: scratch.layout.launch)
    var record = try #require(LaunchRecord(readingFrom: scratch.layout.launch))
    #expect(record.endings == [.init(attempt: 0, time: 2.5, code: 137, cause: "killed")] && record.isAlive == nil)
    record.state = .ended
    record.exitCode = 137
    record.write(to: scratch.layout.launch)
    #expect(LaunchRecord(readingFrom: scratch.layout.launch) == record)
    try AtomicFile.write("{", to: scratch.layout.launch)
    #expect(LaunchRecord(readingFrom: scratch.layout.launch) == nil)
  }
}
