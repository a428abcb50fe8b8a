import Foundation
import FuzzSupport
import ModelFiles
import Testing

extension EndToEndTests {
  /// Runs that die while they save, as when the power fails: a kill at any moment leaves a checkpoint that is whole.
  ///
  /// TREG_KILLS says how often (5; `make test-kills`: 200), TREG_KILLS_SEED when.
  @Suite(.serialized) struct CheckpointKillTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let kills = environment["TREG_KILLS"].flatMap(Int.init) ?? 5
    private static let seed = environment["TREG_KILLS_SEED"].flatMap(UInt64.init) ?? 1

    /// Steps are a few milliseconds, so that most of the time goes into checkpoints; no scores are made before.
    private func command(_ out: String, _ more: String...) -> [String] {
      Tiny.train(
        out,
        [
          "--max-steps", "16", "--save-steps", "1", "--loss-type", "simpo", "--treg-alpha", "0", "--global-batch-size",
          "4",
          "--max-shard-size", "60KB",
        ] + more)
    }

    /// What lies in a run's folder unfinished.
    private func unfinished(_ out: String) throws -> [String] {
      guard exists(out) else { return [] }
      return try FileManager.default.subpathsOfDirectory(atPath: out).filter {
        $0.hasSuffix(".unfinished") || $0.contains("/.seen-")
      }
    }

    /// Starts a run and kills it, or one of its ranks, so many seconds after its first file.
    private func start(_ arguments: [String], out: String, ranks: Int, killedAfter seconds: Double, rank: Int) throws {
      let program = try Program((ranks == 1 ? [] : Program.openMPI(ranks)) + [Program.treg] + arguments)
      _ = program.reaches { exists(out + "/run/lock") }
      usleep(UInt32(seconds * 1e6))
      if ranks == 1 {
        program.signal(SIGKILL)
      } else {
        let found = Self.children(of: program.processIdentifier)
        if !found.isEmpty { kill(found[rank % found.count], SIGKILL) }
      }
      _ = try program.wait()
    }

    private static func children(of process: Int32) -> [Int32] {
      let path = "/proc/\(process)/task/\(process)/children"
      return (try? String(contentsOfFile: path, encoding: .utf8))?.split(separator: " ").compactMap { Int32($0) } ?? []
    }

    /// The weights of a run that nobody disturbs, and the seconds from its first file to its end.
    private func unbroken(ranks: Int) throws -> (weights: [String: [Float]], seconds: Double) {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let program = try Program((ranks == 1 ? [] : Program.openMPI(ranks)) + [Program.treg] + command(out))
      _ = program.reaches { exists(out + "/run/lock") }
      let start = Date()
      let run = try program.wait()
      try #require(run.exitCode == 0, "\(run.errors)")
      return (try FinishedRun(out).allWeights(), Date().timeIntervalSince(start))
    }

    /// The same again: a run, or one that goes on, is killed at a random moment; one more goes on to the end.
    private func tries(_ count: Int, ranks: Int, _ random: inout Mutator) throws {
      let (expected, seconds) = try unbroken(ranks: ranks)
      var (midWrite, withCheckpoint, kills) = (0, 0, 0)
      for trial in 0..<count {
        let scratch = try Scratch()
        let out = scratch.path("out")
        for round in 0..<Int.random(in: 1...2, using: &random) {
          let moment = Double.random(in: 0..<seconds * (round == 0 ? 1 : 0.5), using: &random)
          let rank = Int.random(in: 0..<ranks, using: &random)
          let arguments = round == 0 ? command(out) : command(out, "--resume")
          try start(arguments, out: out, ranks: ranks, killedAfter: moment, rank: rank)
          kills += 1
          if try unfinished(out).contains(where: { $0.hasPrefix(".checkpoint-") }) { midWrite += 1 }
        }
        let newest = try FinishedRun(out).newestCheckpoint()
        if newest != nil { withCheckpoint += 1 }
        let resumed = try Program.treg(command(out, "--resume"), ranks: ranks)
        try #require(resumed.exitCode == 0, "trial \(trial), \(ranks) ranks: \(resumed.errors)")
        #expect(!resumed.errors.contains("damaged"), "trial \(trial), \(ranks) ranks: \(resumed.errors)")
        if let newest { #expect(resumed.errors.contains("resuming from \(out)/\(newest) at"), "\(resumed.errors)") }
        #expect(try FinishedRun(out).allWeights() == expected, "trial \(trial), \(ranks) ranks: the same bits")
        #expect(try unfinished(out) == [], "trial \(trial), \(ranks) ranks: nothing is left behind")
      }
      print(
        "\(count) tries on \(ranks) rank\(ranks == 1 ? "" : "s"), seed \(Self.seed): \(kills) kills, \(midWrite) of them while a "
          + "checkpoint was being written; the newest one loaded in all \(withCheckpoint) tries that had one")
    }

    @Test(.timeLimit(.minutes(30)))
    func theNewestCheckpointLoadsAfterAnyKill() throws {
      var random = Mutator(seed: Self.seed)
      try tries(Self.kills - Self.kills / 5, ranks: 1, &random)
    }

    @Test(.disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"), .timeLimit(.minutes(30)))
    func theNewestCheckpointLoadsAfterARankIsKilled() throws {
      #expect(shimsAreBuilt)
      var random = Mutator(seed: Self.seed + 1)
      try tries(Self.kills / 5, ranks: 2, &random)
    }
  }
}

extension FinishedRun {
  /// Weights by name, in however many files.
  fileprivate func allWeights() throws -> [String: [Float]] {
    let folder = try SafetensorsFolder(path)
    return try Dictionary(uniqueKeysWithValues: folder.names.map { ($0, try folder.values(of: $0)) })
  }

  /// The name of the checkpoint of the latest step; nil when there is none.
  fileprivate func newestCheckpoint() throws -> String? {
    guard exists(path) else { return nil }
    return try checkpoints.max { ($0.count, $0) < ($1.count, $1) }
  }
}
