import Foundation
import Testing

extension EndToEndTests {
  /// Who may run where: ranks, MPI, folders in use.
  @Suite(.serialized) struct RefusalTests {
    @Test func soloNeedsNoMPI() throws {
      let scratch = try Scratch()
      let run = try Program.treg(Tiny.train(scratch.path("out")), environment: ["TREG_CMPI": "/nowhere/libcmpi.so"])
      #expect(run.exitCode == 0 && run.errors.contains("layout: 1 rank × 1 thread, solo"), "\(run.errors)")
    }

    @Test func ranksWithoutMPIAreRefused() throws {
      let scratch = try Scratch()
      let run = try Program.treg(
        Tiny.train(scratch.path("out")),
        environment: [
          "TREG_CMPI": "/nowhere/libcmpi.so", "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0",
        ])
      #expect(run.exitCode == 69, "\(run.errors)")
      #expect(run.complaints.count == 1 && run.complaints[0].contains("install libopenmpi-dev"), "\(run.errors)")
      #expect(!exists(scratch.path("out")))
    }

    @Test(arguments: [("TREG_OVERLAP", "maybe"), ("TREG_PRODUCTS", "fast")])
    func choicesThatCannotBeFollowedAreRefused(name: String, value: String) throws {
      let scratch = try Scratch()
      let run = try Program.treg(Tiny.train(scratch.path("out")), environment: [name: value])
      #expect(run.exitCode == 78 && run.complaints.count == 1, "\(run.errors)")
      #expect(run.complaints[0].contains(name) && run.complaints[0].contains("\"\(value)\""), "\(run.errors)")
      #expect(!exists(scratch.path("out")))
    }

    @Test func slurmTasksWithoutPMIxAreRefused() throws {
      let scratch = try Scratch()
      for (task, lines) in [("0", 1), ("1", 0)] {
        let run = try Program.treg(
          Tiny.train(scratch.path("out")),
          environment: [
            "SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_PROCID": task, "SLURM_STEP_NUM_TASKS": "2",
          ])
        #expect(run.exitCode == 78, "\(run.errors)")
        #expect(run.complaints.count == lines, "one task speaks: \(run.errors)")
        #expect(run.complaints.allSatisfy { $0.contains("add --mpi=pmix") })
      }
      #expect(!exists(scratch.path("out")))
    }

    /// Tasks of one Slurm step that each make a shard do not disturb each other.
    @Test func slurmTasksMayMakeShards() throws {
      let scratch = try Scratch()
      let run = try Program.treg(
        Tiny.rewards(scratch.path("out"), "--shard", "0/8"),
        environment: ["SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "8"])
      #expect(run.exitCode == 0, "\(run.errors)")
    }

    @Test func aSecondTrainerIsRefused() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let first = try Program([Program.treg] + Tiny.train(out, "--max-steps", "100000"))
      let isUnderWay = first.reaches { exists(out + "/run/metrics.jsonl") }
      try #require(isUnderWay)
      for flag in ["--resume", "--overwrite"] {
        let second = try Program.treg(Tiny.train(out, flag))
        #expect(second.exitCode == 73, "\(second.errors)")
        #expect(second.complaints.count == 1, "\(second.errors)")
        #expect(
          second.complaints.first?.contains("in use by process \(first.processIdentifier) on") == true,
          "\(second.errors)")
      }
      #expect(first.isRunning, "the first is not disturbed")
      first.signal(SIGTERM)
      #expect(try first.wait().exitCode == 75)
      #expect(try FinishedRun(out).checkpoints.count == 1)
    }

    @Test func aFolderWithContentNeedsAWord() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      #expect(try Program.treg(Tiny.train(out)).exitCode == 0)
      let before = try FinishedRun(out).modelBytes()
      let refused = try Program.treg(Tiny.train(out, "--seed", "1"))
      #expect(refused.exitCode == 73 && refused.complaints.count == 1, "\(refused.errors)")
      #expect(
        refused.complaints.first?.contains("--resume") == true
          && refused.complaints.first?.contains("--overwrite") == true)
      #expect(try FinishedRun(out).modelBytes() == before)
      try scratch.write("mine", to: "out/notes.txt")
      let replaced = try Program.treg(Tiny.train(out, "--seed", "1", "--overwrite"))
      #expect(replaced.exitCode == 0, "\(replaced.errors)")
      #expect(try FinishedRun(out).modelBytes() != before)
      #expect(try FinishedRun(out).losses().count == 10, "metrics of the run before are gone")
      #expect(try scratch.text("out/notes.txt") == "mine", "what users keep there stays")
    }

    @Test func dryRunsWriteNothing() throws {
      let scratch = try Scratch()
      let run = try Program.treg(Tiny.train(scratch.path("out"), "--dry-run"))
      #expect(run.exitCode == 0 && run.errors.contains("steps: 10, 3 per epoch"), "\(run.errors)")
      #expect(!exists(scratch.path("out")))
    }

    /// Data, model and configuration are compared by content, so that ranks may keep them under different paths.
    @Test(
      .disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"),
      arguments: [
        ("--data", "the data of rank 1"), ("--model", "the model of rank 1"), ("--beta", "the configuration of rank 1"),
      ])
    func ranksThatDisagreeAreRefused(flag: String, text: String) throws {
      #expect(shimsAreBuilt)
      let scratch = try Scratch()
      let out = scratch.path("out")
      let value: String
      switch flag {
      case "--data": value = try scratch.write(Tiny.rows().dropLast().joined(separator: "\n") + "\n", to: "other.jsonl")
      case "--model":
        value = try scratch.copyOfModel()
        try scratch.write(Tensors.changed(in: value) { $0[77] += 1 }, to: "model/model.safetensors")
      default: value = "0.7"
      }
      let run = try Program.run(
        Program.openMPI + ["-np", "1", Program.treg] + Tiny.train(out)
          + [":", "-np", "1", Program.treg] + Tiny.train(out, flag, value))
      #expect(run.exitCode == 76, "\(run.errors)")
      #expect(run.complaints.count == 1 && run.complaints[0].contains(text), "\(run.errors)")
      #expect(!exists(out), "nothing is written")
    }

    /// A mistake that all ranks make, or that one alone makes, is told in one line.
    @Test(.disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"), arguments: ["all", "one"])
    func ranksTellAMistakeOnce(who: String) throws {
      #expect(shimsAreBuilt)
      let scratch = try Scratch()
      let out = scratch.path("out")
      let bad = try scratch.write(#"{"prompt": "a", "rejected": "b"}"# + "\n", to: "bad.jsonl")
      let run = try Program.run(
        Program.openMPI + ["-np", "2", Program.treg] + Tiny.train(out, "--data", who == "all" ? bad : Tiny.pairs)
          + [":", "-np", "1", Program.treg] + Tiny.train(out, "--data", bad))
      #expect(run.exitCode == 65, "\(run.errors)")
      #expect(run.complaints.count == 1 && run.complaints[0].contains("bad.jsonl:1"), "\(run.errors)")
      #expect(who == "all" || run.complaints.first?.contains("rank 2 (") == true, "\(run.errors)")
      #expect(!exists(out))

      let usage = try Program.treg(Tiny.train(out, "--no-such-flag", "1"), ranks: 3)
      #expect(usage.exitCode == 64 && usage.complaints.count == 1, "\(usage.errors)")
      guard who == "one" else { return }
      let alone = try Program.run(
        Program.openMPI + ["-np", "1", "sleep", "30", ":", "-np", "1", Program.treg]
          + Tiny.train(out, "--no-such-flag", "1"))
      #expect(alone.exitCode == 64 && alone.complaints.count == 1, "\(alone.errors)")
      #expect(alone.complaints.first?.contains("rank 1: ") == true, "\(alone.errors)")
    }
  }
}
