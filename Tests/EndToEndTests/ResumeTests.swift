import Foundation
import Testing

extension EndToEndTests {
  /// Runs that end early and go on.
  @Suite(.serialized) struct ResumeTests {
    /// Steps of a run that is long enough to be interrupted.
    private static let steps = 160

    private func long(_ out: String, steps: Int = steps, _ more: String...) -> [String] {
      Tiny.train(out, "--global-batch-size", "4", "--max-steps", "\(steps)", "--learning-rate", "1e-4") + more
    }

    /// How a user ends a run.
    enum Ending: CaseIterable, CustomTestStringConvertible {
      case userSignal, terminate, controlC, stopFile

      var exitCode: Int32 {
        switch self {
        case .userSignal, .terminate: 75
        case .controlC: 130
        case .stopFile: 0
        }
      }

      var testDescription: String { "\(self)" }

      func end(_ program: Program, out: String) {
        switch self {
        case .userSignal: program.signal(SIGUSR1)
        case .terminate: program.signal(SIGTERM)
        case .controlC: program.signal(SIGINT)
        case .stopFile: _ = FileManager.default.createFile(atPath: out + "/run/stop", contents: nil)
        }
      }
    }

    private static let unbroken: Result<(model: Data, losses: [Double]), any Error> = Result {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let run = try Program.treg(ResumeTests().long(out))
      try #require(run.exitCode == 0, "\(run.errors)")
      return (try FinishedRun(out).modelBytes(), try FinishedRun(out).losses())
    }

    /// Starts a run, ends it once it has taken steps, and checks what it leaves.
    private func interrupt(_ command: [String], out: String, steps total: Int = steps, by ending: Ending) throws {
      let program = try Program(command)
      let isUnderWay = program.reaches { ((try? FinishedRun(out).losses().count) ?? 0) > 5 }
      try #require(isUnderWay)
      ending.end(program, out: out)
      let ended = try program.wait()
      #expect(ended.exitCode == ending.exitCode, "\(ended.errors)")
      let steps = try FinishedRun(out).losses().count
      try #require(steps < total, "the run was over before it could be interrupted")
      #expect(
        try FinishedRun(out).checkpoints.contains("checkpoint-\(steps)"), "a checkpoint of the last step is there")
      #expect(!exists(out + "/model.safetensors"), "there is no trained model yet")
      #expect(ended.errors.contains("stopped after step \(steps) of \(total)"), "\(ended.errors)")
      #expect(try String(contentsOfFile: out + "/run/status.json", encoding: .utf8).contains("\"stopped\""))
    }

    private func expectEveryStepOnce(_ out: String, steps: Int = steps) throws {
      #expect(try FinishedRun(out).metrics().compactMap { $0["step"]?.integer } == Array(1...steps))
    }

    @Test(arguments: Ending.allCases)
    func interruptedAndResumedIsTheUnbrokenRun(ending: Ending) throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      try interrupt([Program.treg] + long(out), out: out, by: ending)
      let resumed = try Program.treg(long(out, "--resume"))
      try #require(resumed.exitCode == 0, "\(resumed.errors)")
      let unbroken = try Self.unbroken.get()
      #expect(try FinishedRun(out).modelBytes() == unbroken.model, "the same bits")
      #expect(try FinishedRun(out).losses() == unbroken.losses)
      try expectEveryStepOnce(out)
    }

    /// A run that is killed loses the steps after its last checkpoint, which are taken again.
    @Test func killedAndResumedIsTheUnbrokenRun() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let program = try Program([Program.treg] + long(out, "--save-steps", "16"))
      let isUnderWay = program.reaches { ((try? FinishedRun(out).losses().count) ?? 0) > 40 }
      try #require(isUnderWay)
      program.signal(SIGKILL)
      #expect(try program.wait().exitCode == 128 + SIGKILL)
      let resumed = try Program.treg(long(out, "--save-steps", "16", "--resume"))
      try #require(resumed.exitCode == 0, "\(resumed.errors)")
      #expect(try FinishedRun(out).modelBytes() == Self.unbroken.get().model, "the same bits")
      try expectEveryStepOnce(out)
      #expect(try FinishedRun(out).checkpoints == ["checkpoint-144", "checkpoint-160"], "save_total_limit 2 is kept")
    }

    @Test(.disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"))
    func twoRanksInterruptedAndResumed() throws {
      #expect(shimsAreBuilt)
      let scratch = try Scratch()
      let steps = 80
      let ranks = Program.openMPI(2) + [Program.treg]
      let whole = scratch.path("whole")
      let unbroken = try Program.run(ranks + long(whole, steps: steps))
      try #require(unbroken.exitCode == 0, "\(unbroken.errors)")
      for ending in [Ending.userSignal, .stopFile] {
        let out = scratch.path("\(ending)")
        try interrupt(ranks + long(out, steps: steps), out: out, steps: steps, by: ending)
        let resumed = try Program.run(ranks + long(out, steps: steps, "--resume"))
        try #require(resumed.exitCode == 0, "\(resumed.errors)")
        #expect(try FinishedRun(out).modelBytes() == FinishedRun(whole).modelBytes(), "the same bits")
        #expect(try FinishedRun(out).losses() == FinishedRun(whole).losses())
        try expectEveryStepOnce(out, steps: steps)
      }
    }

    /// The first asks for a checkpoint after the step, which here takes long; the second does not wait for it.
    @Test func aSecondControlCLeavesAtOnce() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let rows = try Tiny.rows().joined(separator: "\n") + "\n"
      let many = try scratch.write(String(repeating: rows, count: 240), to: "many.jsonl")
      let program = try Program(
        [Program.treg]
          + Tiny.train(
            out, "--data", many, "--global-batch-size", "5760", "--loss-type", "simpo", "--treg-alpha", "0",
            "--max-steps", "1000"))
      let isUnderWay = program.reaches { ((try? FinishedRun(out).losses().count) ?? 0) > 0 }
      try #require(isUnderWay)
      // Well into the second step.
      usleep(250_000)
      program.signal(SIGINT)
      usleep(100_000)
      #expect(program.isRunning, "the step goes on")
      program.signal(SIGINT)
      let ended = try program.wait(seconds: 5)
      #expect(ended.exitCode == 130, "\(ended.errors)")
      #expect(try FinishedRun(out).checkpoints.isEmpty)
    }

    /// Hours of scoring do not go with a run that has to end: another start, on other ranks, goes on with them.
    @Test(.disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"))
    func scoresOutliveAnEndWhileScoring() throws {
      #expect(shimsAreBuilt)
      let scratch = try Scratch()
      let (out, whole) = (scratch.path("out"), scratch.path("whole"))
      let rows = try Tiny.rows().joined(separator: "\n") + "\n"
      let many = try scratch.write(String(repeating: rows, count: 60), to: "many.jsonl")
      let more = ["--data", many, "--global-batch-size", "960", "--max-steps", "2"]
      let program = try Program([Program.treg] + Tiny.train(out, more))
      let isScoring = program.reaches { (try? program.errors().contains("scoring 32/")) ?? false }
      try #require(isScoring)
      program.signal(SIGTERM)
      let ended = try program.wait()
      #expect(ended.exitCode == 75 && ended.errors.contains("--resume goes on with the rows scored so far"))
      #expect(try FinishedRun(out + "/rewards").names() == ["shard-00000-of-00001.part"])
      let resumed = try Program.treg(Tiny.train(out, more + ["--resume"]), ranks: 2)
      try #require(resumed.exitCode == 0, "\(resumed.errors)")
      let kept = try #require(resumed.errors.firstMatch(of: /scores: (\d+) rows, (\d+) of them scored before/))
      #expect(Int(kept.2)! >= 32 && Int(kept.2)! < Int(kept.1)!)
      let unbroken = try Program.treg(Tiny.train(whole, more), ranks: 2)
      try #require(unbroken.exitCode == 0, "\(unbroken.errors)")
      for file in ["shard-00000-of-00002.rewards", "shard-00001-of-00002.rewards", "manifest.json"] {
        #expect(
          try Data(contentsOf: URL(fileURLWithPath: out + "/rewards/" + file))
            == Data(contentsOf: URL(fileURLWithPath: whole + "/rewards/" + file)), "\(file): the same bits")
      }
      #expect(try FinishedRun(out + "/rewards").names().count == 3, "no draft stays")
      #expect(try FinishedRun(out).modelBytes() == FinishedRun(whole).modelBytes())
    }

    /// A trial of few steps scores the rows that they take; the run that goes on scores the others.
    @Test func fewStepsScoreFewRows() throws {
      let scratch = try Scratch()
      let (out, whole) = (scratch.path("out"), scratch.path("whole"))
      let course = ["--global-batch-size", "4", "--lr-scheduler-type", "constant", "--warmup-ratio", "0"]
      let trial = try Program.treg(Tiny.train(out, course + ["--max-steps", "2", "--save-steps", "2"]))
      try #require(trial.exitCode == 0, "\(trial.errors)")
      #expect(trial.errors.contains("scores: 8 rows, "))
      #expect(try FinishedRun(out + "/rewards").names() == ["shard-00000-of-00001.part"])
      // One that takes fewer rows loses none of the others.
      for (steps, rows) in [(1, "scores: 4 rows, 4 of them"), (2, "scores: 8 rows, 8 of them")] {
        let again = try Program.treg(
          Tiny.train(out, course + ["--max-steps", "\(steps)", "--save-steps", "2", "--overwrite"]))
        #expect(again.exitCode == 0 && again.errors.contains(rows), "\(again.errors)")
      }
      let longer = try Program.treg(Tiny.train(out, course + ["--max-steps", "12", "--resume"]))
      try #require(longer.exitCode == 0, "\(longer.errors)")
      #expect(longer.errors.contains("rows, 8 of them scored before, ") && longer.errors.contains("at step 2"))
      let unbroken = try Program.treg(Tiny.train(whole, course + ["--max-steps", "12"]))
      try #require(unbroken.exitCode == 0, "\(unbroken.errors)")
      #expect(try FinishedRun(out).modelBytes() == FinishedRun(whole).modelBytes(), "the same bits")
      // A longer run's checkpoint serves a shorter one.
      let shorter = try Program.treg(
        Tiny.train(out, course + ["--max-steps", "3", "--resume", out + "/checkpoint-2"]))
      #expect(shorter.exitCode == 0, "\(shorter.errors)")
    }

    /// Ten steps: rounding, which differs between layouts, has no time to grow.
    @Test(.disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"), arguments: [(1, 3), (3, 2), (2, 1)])
    func resumingOnAnotherNumberOfRanks(before: Int, after: Int) throws {
      #expect(shimsAreBuilt)
      let scratch = try Scratch()
      let (out, whole) = (scratch.path("out"), scratch.path("whole"))
      let solo = try Program.treg(Tiny.train(whole))
      let first = try Program.treg(Tiny.train(out, "--save-steps", "5"), ranks: before)
      try #require(solo.exitCode == 0 && first.exitCode == 0, "\(solo.errors)\(first.errors)")
      try FileManager.default.removeItem(atPath: out + "/model.safetensors")
      let resumed = try Program.treg(Tiny.train(out, "--resume", out + "/checkpoint-5"), ranks: after)
      try #require(resumed.exitCode == 0, "\(resumed.errors)")
      let (losses, expected) = (try FinishedRun(out).losses(), try FinishedRun(whole).losses())
      #expect(losses.count == 10)
      for (loss, expected) in zip(losses, expected) { #expect(abs(loss - expected) <= 1e-4 * abs(expected)) }
    }

    @Test func checkpointsOpenAsModels() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      #expect(try Program.treg(Tiny.train(out, "--save-steps", "10")).exitCode == 0)
      #expect(
        try FinishedRun(out).names(in: "checkpoint-10") == [
          "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors", "state",
          "tokenizer.json",
          "tokenizer_config.json",
        ])
      let next = try Program.treg(Tiny.train(scratch.path("next"), "--model", out + "/checkpoint-10"))
      #expect(next.exitCode == 0, "\(next.errors)")
    }

    @Test func anotherCourseIsRefused() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      #expect(try Program.treg(Tiny.train(out, "--save-steps", "5")).exitCode == 0)
      let before = try FinishedRun(out).modelBytes()
      let half = try Tiny.rows().prefix(12).joined(separator: "\n") + "\n"
      let other = try scratch.write(half, to: "half.jsonl")
      let refusals: [([String], Int32, String)] = [
        (["--learning-rate", "2e-3"], 78, "learning_rate: 0.001 in the checkpoint, 0.002 now"),
        (["--beta", "0.2"], 78, "beta: 0.1 in the checkpoint, 0.2 now"),
        (["--data", other], 65, "not the data that the checkpoint was trained on"),
        (["--resume=" + scratch.path("none")], 66, "no checkpoint to resume from"),
      ]
      for (arguments, code, text) in refusals {
        let run = try Program.treg(Tiny.train(out, ["--resume"] + arguments))
        #expect(run.exitCode == code, "\(run.errors)")
        #expect(run.complaints.count == 1 && run.complaints[0].contains(text), "\(run.errors)")
      }
      #expect(try FinishedRun(out).modelBytes() == before, "what was there is as it was")
    }

    @Test func damagedCheckpointsAreRefused() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      #expect(try Program.treg(Tiny.train(out, "--save-steps", "5")).exitCode == 0)
      for (name, limit) in [
        ("state/optimizer-00000-of-00001.bin", 1000), ("state/state.json", 60), ("model.safetensors", 5000),
      ] {
        let file = out + "/checkpoint-5/" + name
        let bytes = try Data(contentsOf: URL(fileURLWithPath: file))
        try bytes.prefix(limit).write(to: URL(fileURLWithPath: file))
        let run = try Program.treg(Tiny.train(out, "--resume", out + "/checkpoint-5"))
        #expect(run.exitCode == 65 && run.complaints.count == 1, "\(name): \(run.errors)")
        #expect(run.complaints.first?.contains("checkpoint-5") == true, "\(run.errors)")
        try bytes.write(to: URL(fileURLWithPath: file))
      }
    }
  }
}
