import Foundation
import OrderedJSON
import RunFolder
import Testing

extension EndToEndTests {
  /// Ranks that stand still, crash, or have lost whoever started them: all end, and the line names the first cause.
  @Suite(.serialized) struct WatchdogTests {
    private static func report(_ out: String, rank: Int) throws -> JSONValue {
      try JSONValue(parsing: FileSystem.readBytes(RunLayout(out).error(rank: rank)))
    }

    private static func processes(_ out: String) -> [Int: pid_t] {
      var found: [Int: pid_t] = [:]
      for beat in Heartbeat.all(in: RunLayout(out)) { found[beat.rank] = pid_t(beat.process) }
      return found
    }

    /// Whether a process is gone, waited for a while; ended here when it is not, for nobody else would.
    private static func isGone(_ process: pid_t, seconds: Double) -> Bool {
      let end = Date(timeIntervalSinceNow: seconds)
      while Date() < end {
        if kill(process, 0) != 0 { return true }
        usleep(20_000)
      }
      kill(process, SIGKILL)
      return false
    }

    private static let endless = ["--max-steps", "100000", "--logging-steps", "1000"]

    @Test func aRankThatHangsEndsItself() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let start = Date()
      let run = try Program.treg(
        Tiny.train(out), environment: ["TREG_STALL_SECONDS": "2", "TREG_DRILL": "hang:step=3,rank=0"], seconds: 20)
      #expect(run.exitCode == 75, "\(run.errors)")
      #expect(Date().timeIntervalSince(start) < 10)
      #expect(run.errors.contains("DRILL: this run is told to fail: hang at step 3 on rank 0"))
      #expect(run.complaints.count == 1)
      let line = try #require(run.complaints.last)
      #expect(line.hasPrefix("treg: rank 0 (") && line.contains(") step 3 training: no progress for 2."), "\(line)")
      #expect(line.hasSuffix(" s → run/errors/rank-00000.json"))
      let report = try Self.report(out, rank: 0)
      #expect(report["cause"]?.string == "stall" && report["echo"]?.bool == false && report["step"]?.integer == 3)
      #expect(report["exit_code"]?.integer == 75)
    }

    /// Nothing to be ended for: a run that is slow but goes on, and one that may hang.
    @Test func runsThatGoOnAreLeftAlone() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let run = try Program.treg(
        Tiny.train(out, "--max-steps", "800", "--save-steps", "100"), environment: ["TREG_STALL_SECONDS": "2"])
      #expect(run.exitCode == 0, "\(run.errors)")
      #expect(!exists(out + "/run/ranks"), "heartbeats go with a good end")
      let hanging = try Program(
        [Program.treg] + Tiny.train(scratch.path("never"), ["--max-steps", "5"]),
        environment: ["TREG_STALL_SECONDS": "0", "TREG_DRILL": "hang:step=2,rank=0"])
      #expect(hanging.reaches { !Self.processes(scratch.path("never")).isEmpty })
      usleep(3_000_000)
      #expect(hanging.isRunning)
      hanging.signal(SIGKILL)
      #expect(try hanging.wait().exitCode == 137)
    }

    @Test func aLimitThatIsNoneIsRefused() throws {
      let scratch = try Scratch()
      for (name, value) in [("TREG_STALL_SECONDS", "soon"), ("TREG_DRILL", "melt:step=1,rank=0")] {
        let run = try Program.treg(Tiny.train(scratch.path("out")), environment: [name: value])
        #expect(run.exitCode == 78 && run.complaints.count == 1, "\(run.errors)")
        #expect(run.complaints.first?.hasPrefix("treg: \(name): ") == true, "\(run.errors)")
      }
      #expect(!exists(scratch.path("out")))
    }

    @Test func aCrashLeavesAReport() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let run = try Program.treg(Tiny.train(out), environment: ["TREG_DRILL": "crash:step=2,rank=0"])
      #expect(run.exitCode == 139, "\(run.errors)")
      let line = try #require(run.complaints.last)
      #expect(
        line.contains(") step 2 training: ended by signal 11 (SIGSEGV, invalid memory) → run/errors/rank-00000.json"),
        "\(line)")
      let report = try Self.report(out, rank: 0)
      #expect(report["cause"]?.string == "signal" && report["message"]?.string?.contains("signal 11") == true)
      let frames = (report["backtrace"]?.array ?? []).compactMap(\.string)
      #expect(frames.count > 3 && frames.contains { $0.contains("treg") }, "\(frames)")
      let cause = try #require(try FirstCause.find(in: RunLayout(out)))
      #expect(cause.report.cause == .signal && cause.report.step == 2 && cause.report.backtrace == frames)
    }

    @Suite(.serialized, .disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"))
    struct OfSeveralRanks {
      init() { #expect(shimsAreBuilt) }

      /// A stopped rank cannot say a word: those who wait for it do.
      @Test func aStoppedRankIsNamedByTheOthers() throws {
        let scratch = try Scratch()
        let out = scratch.path("out")
        let program = try Program(
          Program.openMPI(3) + [Program.treg] + Tiny.train(out),
          environment: ["TREG_STALL_SECONDS": "3", "TREG_DRILL": "stop:step=3,rank=1"])
        #expect(program.reaches { WatchdogTests.processes(out).count == 3 })
        let stopped = try #require(WatchdogTests.processes(out)[1])
        let run = try program.wait(seconds: 25)
        #expect(WatchdogTests.isGone(stopped, seconds: 3), "mpirun takes the stopped rank along")
        #expect(run.exitCode == 75, "\(run.errors)")
        #expect(run.complaints.count == 1, "\(run.errors)")
        let line = try #require(run.complaints.last)
        #expect(
          line.hasPrefix("treg: rank 1 (") && line.contains(") step 3 communication: went silent; ")
            && line.contains(" waited for it in bucket "),
          "\(line)")
        let cause = try #require(try FirstCause.find(in: RunLayout(out)))
        #expect(cause.rank == 1 && cause.evidence == .silence && cause.report.step == 3)
        let report = try WatchdogTests.report(out, rank: 0)
        #expect(report["cause"]?.string == "stall" && report["echo"]?.bool == true)
        #expect(report["missed"]?.array?.compactMap(\.integer) == [1])
        #expect(report["bucket"]?.string?.hasPrefix("bucket ") == true)
        #expect(report["step"]?.integer == 3 && report["phase"]?.string == "communication")
      }

      /// A rank that hangs says so itself, before those who wait for it lose patience.
      @Test func aHangingRankIsTheFirstCause() throws {
        let scratch = try Scratch()
        let out = scratch.path("out")
        let run = try Program.treg(
          Tiny.train(out), ranks: 3, environment: ["TREG_STALL_SECONDS": "3", "TREG_DRILL": "hang:step=2,rank=2"],
          seconds: 25)
        #expect(run.exitCode == 75, "\(run.errors)")
        #expect(run.complaints.last?.contains(") step 2 training: no progress for 3.") == true, "\(run.errors)")
        let cause = try #require(try FirstCause.find(in: RunLayout(out)))
        #expect(cause.rank == 2 && cause.evidence == .report && cause.report.cause == .stall)
      }

      /// A killed rank ends all; what is left of it tells where it was.
      @Test func aCrashedRankIsTheFirstCause() throws {
        let scratch = try Scratch()
        let out = scratch.path("out")
        let run = try Program.treg(
          Tiny.train(out), ranks: 3, environment: ["TREG_DRILL": "crash:step=2,rank=1"], seconds: 25)
        #expect(run.exitCode != 0)
        #expect(
          run.complaints.contains { $0.contains("rank 1 (") && $0.contains("ended by signal 11") }, "\(run.errors)")
        let cause = try #require(try FirstCause.find(in: RunLayout(out)))
        #expect(cause.rank == 1 && cause.report.cause == .signal)
      }

      @Test func ranksEndWithWhatStartedThem() throws {
        let scratch = try Scratch()
        let out = scratch.path("out")
        let program = try Program(Program.openMPI(2) + [Program.treg] + Tiny.train(out, WatchdogTests.endless))
        #expect(program.reaches { WatchdogTests.processes(out).count == 2 && exists(out + "/run/metrics.jsonl") })
        let ranks = WatchdogTests.processes(out)
        program.signal(SIGKILL)
        #expect(try program.wait().exitCode == 137)
        for (rank, process) in ranks {
          #expect(WatchdogTests.isGone(process, seconds: 10), "rank \(rank) is still there")
        }
      }
    }
  }
}
