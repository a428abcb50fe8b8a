import Foundation
import OrderedJSON
import RunFolder
import Testing

extension EndToEndTests {
  /// A run is the same run on any number of ranks.
  @Suite(.serialized, .disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"))
  struct RanksTests {
    init() { #expect(shimsAreBuilt) }

    /// One solo run of ten steps, every other layout is compared with.
    private static let solo: Result<(losses: [Double], weights: [String: [Float]]), any Error> = Result {
      let scratch = try Scratch()
      let run = try Program.treg(Tiny.train(scratch.path("out")))
      try #require(run.exitCode == 0, "\(run.errors)")
      let finished = FinishedRun(scratch.path("out"))
      return (try finished.losses(), try finished.weights())
    }

    /// 64 tokens hold one pair at most, so that every rank accumulates; 4096 hold all.
    @Test(arguments: [1, 2, 3, 4], ["64", "4096"])
    func ranksGiveTheSameRun(ranks: Int, microBatchTokens: String) throws {
      for exchange in ranks == 1 ? ["reduce_scatter"] : ["reduce_scatter", "all_reduce"] {
        let scratch = try Scratch()
        let run = try Program.treg(
          Tiny.train(
            scratch.path("out"), "--micro-batch-tokens", microBatchTokens, "--gradient-exchange", exchange),
          ranks: ranks)
        try #require(run.exitCode == 0, "\(run.errors)")
        try expectSoloRun(FinishedRun(scratch.path("out")), "\(ranks) ranks, \(microBatchTokens), \(exchange)")
      }
    }

    /// Three ranks and four have other shares of the rows; figures and rows are the same text.
    @Test func evaluationGivesTheSameBits() throws {
      let scratch = try Scratch()
      try #require(try Program.treg(Tiny.train(scratch.path("out"))).exitCode == 0)
      for kind in ["--summary-json", "--jsonl"] {
        let texts = try [1, 3, 4].map { ranks in
          let run = try Program.treg(
            [
              "evaluate", "--model", scratch.path("out"), "--reference", Tiny.model, "--data", Tiny.pairs,
              "--max-length", "256", kind,
            ], ranks: ranks)
          try #require(run.exitCode == 0, "\(run.errors)")
          return try run.output.split(separator: "\n").map { line in
            let fields = try #require(JSONValue(parsing: String(line)).object)
            return fields.filter { !$0.key.contains("second") }.map { "\($0.key): \($0.value.text())" }.joined(
              separator: "\n")
          }
        }
        #expect(texts[0].count >= 1 && texts[0][0].contains("reward"), "\(texts[0])")
        #expect(texts[1] == texts[0] && texts[2] == texts[0], "\(kind)")
      }
    }

    @Test func mpichGivesTheSameRun() throws {
      let scratch = try Scratch()
      let run = try Program.run(Program.mpich(2) + [Program.treg] + Tiny.train(scratch.path("out")))
      try #require(run.exitCode == 0, "\(run.errors)")
      #expect(run.errors.contains("layout: 2 ranks × 1 thread, MPICH"), "\(run.errors)")
      try expectSoloRun(FinishedRun(scratch.path("out")), "MPICH")
    }

    @Test(arguments: [(1, "1"), (1, "2"), (2, "1"), (3, "1")])
    func theSameLayoutGivesTheSameBits(ranks: Int, threads: String) throws {
      let scratch = try Scratch()
      for name in ["first", "second"] {
        let run = try Program.treg(Tiny.train(scratch.path(name), "--threads", threads), ranks: ranks)
        try #require(run.exitCode == 0, "\(run.errors)")
      }
      let (first, second) = (FinishedRun(scratch.path("first")), FinishedRun(scratch.path("second")))
      #expect(try first.losses() == second.losses())
      #expect(try first.modelBytes() == second.modelBytes())
    }

    @Test func activationsMadeAgainGiveTheSameBits() throws {
      let scratch = try Scratch()
      for again in ["false", "true"] {
        let run = try Program.treg(Tiny.train(scratch.path(again), "--recompute", again))
        try #require(run.exitCode == 0, "\(run.errors)")
      }
      let (kept, again) = (FinishedRun(scratch.path("false")), FinishedRun(scratch.path("true")))
      #expect(try kept.losses() == again.losses())
      #expect(try kept.modelBytes() == again.modelBytes())
    }

    /// Gradients may leave during the last backward pass of a step or after it, through shared memory or MPI: same bits.
    @Test(arguments: [2, 3]) func gradientsThatTravelEarlyGiveTheSameBits(ranks: Int) throws {
      let scratch = try Scratch()
      var bytes: [Data] = []
      for (name, environment) in [
        ("after", ["TREG_OVERLAP": "no"]), ("during", ["TREG_OVERLAP": "yes"]),
        ("apart", ["TREG_OVERLAP": "yes", "TREG_RANKS_PER_HOST": "1"]),
      ] {
        let run = try Program.treg(
          Tiny.train(scratch.path(name), "--micro-batch-tokens", "64"), ranks: ranks, environment: environment)
        try #require(run.exitCode == 0, "\(run.errors)")
        bytes.append(try FinishedRun(scratch.path(name)).modelBytes())
      }
      #expect(bytes[0] == bytes[1] && bytes[1] == bytes[2])
      try expectSoloRun(FinishedRun(scratch.path("during")), "early gradients on \(ranks) ranks")
    }

    /// Gradients in bfloat16 between hosts: near the exact run, and repeatable.
    @Test func roundedGradientsBetweenHosts() throws {
      let scratch = try Scratch()
      for name in ["first", "second"] {
        let run = try Program.treg(
          Tiny.train(scratch.path(name), "--wire", "bf16"), ranks: 3, environment: ["TREG_RANKS_PER_HOST": "1"])
        try #require(run.exitCode == 0, "\(run.errors)")
      }
      let (first, second) = (FinishedRun(scratch.path("first")), FinishedRun(scratch.path("second")))
      #expect(try first.modelBytes() == second.modelBytes())
      let (losses, solo) = (try first.losses(), try Self.solo.get().losses)
      // Each summand is off by 2⁻⁹ of itself at most.
      for (loss, expected) in zip(losses, solo) { #expect(abs(loss - expected) <= 2e-3 * abs(expected)) }
      #expect(losses != solo)
    }

    /// One lane a rank in a trace, and what ranks spend in the metrics.
    @Test func aProfileShowsWhatEveryRankDid() throws {
      let scratch = try Scratch()
      let run = try Program.treg(Tiny.train(scratch.path("out"), "--profile", "true"), ranks: 2)
      try #require(run.exitCode == 0, "\(run.errors)")
      let trace = try JSONSerialization.jsonObject(
        with: Data(contentsOf: URL(fileURLWithPath: scratch.path("out") + "/run/trace.json")))
      let events = try #require((trace as? [String: Any])?["traceEvents"] as? [[String: Any]])
      for rank in 0..<2 {
        let own = events.filter { $0["tid"] as? Int == rank && $0["ph"] as? String == "X" }
        #expect(
          Set(own.compactMap { $0["name"] as? String }) == ["forward", "backward", "communication", "optimizer"])
        #expect(Set(own.compactMap { ($0["args"] as? [String: Any])?["step"] as? Int }) == Set(1...10))
        var end = 0
        for event in own {
          let start = try #require(event["ts"] as? Int)
          #expect(start >= end, "events of a rank overlap")
          end = start + (try #require(event["dur"] as? Int))
        }
      }
      for line in try FinishedRun(scratch.path("out")).metrics() {
        let (use, imbalance) = (try #require(line["perf/mfu"]?.double), try #require(line["perf/imbalance"]?.double))
        #expect(use > 0 && imbalance >= 1 && imbalance <= 2, "\(use), \(imbalance)")
        let exposed = try #require(line["perf/comm_exposed"]?.double)
        #expect(exposed > 0 && exposed < 1)
      }
    }

    /// Where every rank holds all moments each writes a part of them, and any layout goes on from it.
    @Test func checkpointsHoldEveryMomentOnce() throws {
      let scratch = try Scratch()
      let names = (0..<3).map { "checkpoint-5/state/optimizer-0000\($0)-of-00003.bin" }
      var sizes: [String: [Int]] = [:]
      for exchange in ["reduce_scatter", "all_reduce"] {
        let out = scratch.path(exchange)
        let command = Tiny.train(out, "--gradient-exchange", exchange, "--save-steps", "5")
        try #require(try Program.treg(command, ranks: 3).exitCode == 0)
        sizes[exchange] = try names.map { try FileSystem.size(of: out + "/" + $0) }
        let whole = try FinishedRun(out).modelBytes()
        let resumed = try Program.treg(command + ["--resume=" + out + "/checkpoint-5"], ranks: 3)
        try #require(resumed.exitCode == 0, "\(resumed.errors)")
        #expect(try FinishedRun(out).modelBytes() == whole, "the same bits")
        let other = try Program.treg(command + ["--resume=" + out + "/checkpoint-5"], ranks: 2)
        try #require(other.exitCode == 0, "\(other.errors)")
        try expectSoloRun(FinishedRun(out), "\(exchange) of 3 ranks, resumed by 2")
      }
      #expect(sizes["all_reduce"] == sizes["reduce_scatter"], "each rank writes its part alone")
    }

    /// Every node has a disk of its own: each rank names its own folder.
    @Test func ranksWithPrivateFolders() throws {
      let scratch = try Scratch()
      let (a, b) = (scratch.path("a"), scratch.path("b"))
      let run = try Program.run(
        Program.openMPI + ["-np", "1", Program.treg] + Tiny.train(a, "--save-steps", "5")
          + [":", "-np", "1", Program.treg] + Tiny.train(b, "--save-steps", "5"))
      try #require(run.exitCode == 0, "\(run.errors)")
      try expectSoloRun(FinishedRun(a), "private folders")
      #expect(!exists(b + "/model.safetensors"))
      let both = ["manifest.json", "state.json"]
      #expect(
        try FinishedRun(a).names(in: "checkpoint-5/state") == (both + ["optimizer-00000-of-00002.bin"]).sorted())
      #expect(
        try FinishedRun(b).names(in: "checkpoint-5/state") == (both + ["optimizer-00001-of-00002.bin"]).sorted())
      #expect(
        exists(a + "/rewards/shard-00000-of-00002.rewards") && exists(b + "/rewards/shard-00001-of-00002.rewards"))
      #expect(try FinishedRun(b).names(in: "run").allSatisfy { !$0.hasPrefix(".") }, "marks are left")

      // Private folders also resume, each rank from its own; damage in one of them counts for all.
      try FileManager.default.removeItem(atPath: a + "/model.safetensors")
      let moments = URL(fileURLWithPath: b + "/checkpoint-10/state/optimizer-00001-of-00002.bin")
      var bytes = try Data(contentsOf: moments)
      bytes[bytes.count / 2] ^= 1
      try bytes.write(to: moments)
      let resumed = try Program.run(
        Program.openMPI + ["-np", "1", Program.treg] + Tiny.train(a, "--save-steps", "5", "--resume")
          + [":", "-np", "1", Program.treg] + Tiny.train(b, "--save-steps", "5", "--resume"))
      try #require(resumed.exitCode == 0, "\(resumed.errors)")
      #expect(resumed.errors.contains("checkpoint-5 at step 5"), "\(resumed.errors)")
      #expect(resumed.errors.contains("its hash differs (rank 1)"), "\(resumed.errors)")
      try expectSoloRun(FinishedRun(a), "private folders, resumed")
    }

    /// Ranks of one machine start on an empty cache: one makes the tokens, the others wait for it, and all train on them.
    @Test func ranksShareACacheThatIsEmptyAtFirst() throws {
      let scratch = try Scratch()
      let cache = scratch.path("cache")
      func tokens() throws -> [String: Int?] {
        let names = try FileManager.default.contentsOfDirectory(atPath: cache)
        return try Dictionary(
          uniqueKeysWithValues: names.map {
            ($0, try FileManager.default.attributesOfItem(atPath: cache + "/" + $0)[.systemFileNumber] as? Int)
          })
      }
      let cold = try Program.treg(Tiny.train(scratch.path("cold")), ranks: 2, environment: ["TREG_CACHE": cache])
      try #require(cold.exitCode == 0, "\(cold.errors)")
      let made = try tokens()
      #expect(made.count == 1 && made.keys.first?.hasSuffix(".bin") == true, "\(made.keys)")
      let warm = try Program.treg(Tiny.train(scratch.path("warm")), ranks: 2, environment: ["TREG_CACHE": cache])
      try #require(warm.exitCode == 0, "\(warm.errors)")
      #expect(try tokens() == made, "nothing is made anew")
      let (first, second) = (FinishedRun(scratch.path("cold")), FinishedRun(scratch.path("warm")))
      #expect(try first.losses() == second.losses())
      #expect(try first.modelBytes() == second.modelBytes())
      try expectSoloRun(first, "an empty cache")
    }

    /// The disk under the tokens fails while ranks train, for one of them or for all.
    @Test(arguments: ["one", "all"])
    func ranksThatCannotReadTheirTokensEndTogether(who: String) throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      func rank(_ cache: String) -> [String] {
        ["-np", "1", "env", "TREG_CACHE=" + scratch.path(cache), Program.treg]
          + Tiny.train(out, "--max-steps", "100000")
      }
      let broken = who == "one" ? "other" : "cache"
      let program = try Program(Program.openMPI + rank("cache") + [":"] + rank(broken))
      let isUnderWay = program.reaches { ((try? FinishedRun(out).losses().count) ?? 0) > 5 }
      try #require(isUnderWay)
      try damageTokens(in: scratch.path(broken))
      let ended = try program.wait(seconds: 20)
      #expect(ended.exitCode == 74, "\(ended.errors)")
      #expect(ended.complaints.count == 1, "\(ended.errors)")
      #expect(ended.complaints.first?.contains("the tokens kept there have changed while they were used") == true)
      #expect((ended.complaints.first?.contains("rank 1 (") == true) == (who == "one"), "\(ended.errors)")
      #expect(try String(contentsOfFile: out + "/run/status.json", encoding: .utf8).contains("\"failed\""))
    }

    /// Overwrites all pairs, in place, as a failing disk might.
    private func damageTokens(in cache: String) throws {
      let name = try #require(try FileManager.default.contentsOfDirectory(atPath: cache).first { $0.hasSuffix(".bin") })
      let handle = try FileHandle(forUpdating: URL(fileURLWithPath: cache + "/" + name))
      // The trailer, 64 bytes, begins with the offset of the index, which follows the pairs.
      let end = try handle.seekToEnd()
      try handle.seek(toOffset: end - 64)
      let trailer = try #require(try handle.read(upToCount: 8))
      let index = trailer.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      try handle.seek(toOffset: 8)
      try handle.write(contentsOf: Data(repeating: 0, count: Int(index) - 8))
      try handle.close()
    }

    private func expectSoloRun(_ run: FinishedRun, _ what: Comment) throws {
      let solo = try Self.solo.get()
      let losses = try run.losses()
      #expect(losses.count == 10, what)
      for (step, (loss, expected)) in zip(losses, solo.losses).enumerated() {
        #expect(abs(loss - expected) <= 1e-4 * abs(expected), "\(what), step \(step + 1): \(loss), solo \(expected)")
      }
      var worst = 0.0
      for (name, values) in try run.weights() {
        let expected = try #require(solo.weights[name])
        try #require(values.count == expected.count)
        let difference = zip(values, expected).map { Double($0 - $1) }.reduce(0) { $0 + $1 * $1 }.squareRoot()
        let norm = expected.map { Double($0) * Double($0) }.reduce(0, +).squareRoot()
        worst = max(worst, difference / norm)
      }
      // Measured: 4e-8 on every layout, which is the rounding of fp32 weights; sums of gradients differ in order alone.
      #expect(worst < 1e-6, what)
    }
  }
}
