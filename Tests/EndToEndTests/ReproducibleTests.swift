import Foundation
import OrderedJSON
import Testing

extension EndToEndTests {
  /// With `--reproducible` a run gives the same bits on any layout.
  @Suite(.serialized, .disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"))
  struct ReproducibleTests {
    init() { #expect(shimsAreBuilt) }

    /// What a layout must not change: the trained model, and every metric but those of time and memory.
    private struct Result: Equatable {
      let model: Data
      let metrics: [String]

      init(_ path: String, model name: String = "model.safetensors") throws {
        let run = FinishedRun(path)
        model = try Data(contentsOf: URL(fileURLWithPath: path + "/" + name))
        metrics = try (run.metrics() + run.metrics(evaluation: true)).map { line in
          let kept = line.object!.filter { !$0.key.hasPrefix("perf/") }
          return kept.map { "\($0.key): \($0.value.text())" }.joined(separator: "\n")
        }
      }
    }

    /// Three steps of twenty pairs, so that shares have two or three, in micro-batches of one or two; a step's last
    /// batch is a smaller one.
    private static func flags(_ out: String, _ more: [String]) -> [String] {
      Tiny.train(
        out,
        [
          "--reproducible", "--global-batch-size", "20", "--max-steps", "4", "--micro-batch-tokens", "150",
          "--eval-data", Tiny.held, "--eval-steps", "2",
        ] + more)
    }

    private static func train(
      _ out: String, _ more: [String] = [], ranks: Int = 1, threads: Int = 1, environment: [String: String?] = [:]
    ) throws -> Outcome {
      try Program.treg(flags(out, more + ["--threads", "\(threads)"]), ranks: ranks, environment: environment)
    }

    enum Way: String, CaseIterable, CustomTestStringConvertible {
      case tokenRewards, adapters, halves, divergences, twoShares, blas

      var flags: [String] {
        switch self {
        case .tokenRewards: ["--treg-alpha", "0.5"]
        case .adapters: ["--use-peft", "true", "--lora-r", "4", "--lora-target-modules", "all-linear"]
        case .halves: ["--weights", "bf16", "--loss-type", "simpo"]
        case .divergences: ["--loss-type", "tdpo2"]
        case .twoShares: ["--virtual-ranks", "2", "--max-grad-norm", "0.1"]
        case .blas: []
        }
      }

      /// Ranks, threads of each, and flags that must not matter.
      var layouts: [(ranks: Int, threads: Int, more: [String])] {
        switch self {
        case .tokenRewards:
          [(1, 3, []), (2, 2, []), (4, 1, []), (8, 1, []), (4, 1, ["--gradient-exchange", "all_reduce"])]
        case .adapters, .halves: [(2, 3, []), (8, 1, [])]
        case .divergences, .blas: [(4, 2, [])]
        case .twoShares: [(2, 1, [])]
        }
      }

      var environment: [String: String?] { self == .blas ? ["TREG_PRODUCTS": "blas"] : [:] }
      var model: String { self == .adapters ? "adapter_model.safetensors" : "model.safetensors" }
      var testDescription: String { rawValue }
    }

    @Test(arguments: Way.allCases)
    func everyLayoutGivesTheSameBits(way: Way) throws {
      let scratch = try Scratch()
      let solo = try Self.train(scratch.path("solo"), way.flags, environment: way.environment)
      try #require(solo.exitCode == 0, "\(solo.errors)")
      let expected = try Result(scratch.path("solo"), model: way.model)
      #expect(expected.metrics.count == 4 + 3)
      for (ranks, threads, more) in way.layouts {
        let name = "\(ranks)x\(threads)" + (more.last ?? "")
        let run = try Self.train(
          scratch.path(name), way.flags + more, ranks: ranks, threads: threads, environment: way.environment)
        try #require(run.exitCode == 0, "\(name): \(run.errors)")
        let found = try Result(scratch.path(name), model: way.model)
        #expect(found.model == expected.model, "\(name): other weights")
        for (line, other) in zip(found.metrics, expected.metrics) { #expect(line == other, "\(name)") }
        #expect(found.metrics.count == expected.metrics.count)
      }
    }

    /// The bits are those of the shares: other shares sum otherwise, which also shows that the comparison can fail.
    @Test func otherSharesGiveOtherBits() throws {
      let scratch = try Scratch()
      for shares in ["1", "8"] {
        let run = try Self.train(scratch.path(shares), ["--virtual-ranks", shares])
        try #require(run.exitCode == 0, "\(run.errors)")
      }
      #expect(try Result(scratch.path("1")).model != Result(scratch.path("8")).model)
    }

    /// More shares than pairs: some have none.
    @Test func emptySharesDoNotMatter() throws {
      let scratch = try Scratch()
      for (name, ranks) in [("one", 1), ("eight", 8)] {
        let run = try Self.train(scratch.path(name), ["--global-batch-size", "5", "--max-steps", "3"], ranks: ranks)
        try #require(run.exitCode == 0, "\(run.errors)")
      }
      #expect(try Result(scratch.path("one")) == Result(scratch.path("eight")))
    }

    @Test(arguments: [(1, 4), (4, 1), (8, 2)])
    func aRunResumedOnOtherRanksGivesTheSameBits(before: Int, after: Int) throws {
      let scratch = try Scratch()
      let (whole, out) = (scratch.path("whole"), scratch.path("out"))
      let saving = ["--save-steps", "2", "--weights", "bf16"]
      let unbroken = try Self.train(whole, saving, ranks: 2)
      try #require(unbroken.exitCode == 0, "\(unbroken.errors)")
      let first = try Self.train(out, saving, ranks: before, threads: 2)
      try #require(first.exitCode == 0, "\(first.errors)")
      try FileManager.default.removeItem(atPath: out + "/model.safetensors")
      try FileManager.default.removeItem(atPath: out + "/checkpoint-4")
      let resumed = try Self.train(out, saving + ["--resume", out + "/checkpoint-2"], ranks: after)
      try #require(resumed.exitCode == 0, "\(resumed.errors)")
      #expect(resumed.errors.contains("at step 2"), "\(resumed.errors)")
      #expect(try Result(out) == Result(whole))
    }

    @Test func whatWouldGiveOtherBitsIsRefusedOnResuming() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let first = try Self.train(out, ["--save-steps", "2"])
      try #require(first.exitCode == 0, "\(first.errors)")
      for (flags, environment, complaint) in [
        (["--virtual-ranks", "4"], [:], "virtual_ranks: 8 in the checkpoint, 4 now"),
        (["--reproducible", "false"], [:], "reproducible: \"true\" in the checkpoint, \"false\" now"),
        (["--micro-batch-tokens", "64"], [:], "micro_batch_tokens: 150 in the checkpoint, 64 now"),
        ([], ["TREG_PRODUCTS": "blas"], "which gives other bits"),
      ] as [([String], [String: String?], String)] {
        let run = try Self.train(out, ["--save-steps", "2", "--resume"] + flags, environment: environment)
        #expect(run.exitCode == 78, "\(run.errors)")
        #expect(run.complaints.count == 1 && run.complaints[0].contains(complaint), "\(run.errors)")
      }
    }

    @Test func ranksThatCannotShareEvenlyAreRefused() throws {
      let scratch = try Scratch()
      let three = try Self.train(scratch.path("three"), ranks: 3)
      #expect(three.exitCode == 78)
      #expect(
        three.complaints == [
          "treg: reproducible: 3 ranks cannot share 8 virtual_ranks evenly; start 1, 2, 4 or 8 ranks"
        ], "\(three.errors)")
      let four = try Self.train(scratch.path("four"), ["--virtual-ranks", "2"], ranks: 4)
      #expect(four.exitCode == 78)
      #expect(four.complaints.first?.contains("or give --virtual-ranks 4") == true, "\(four.errors)")
      #expect(!exists(scratch.path("three")) && !exists(scratch.path("four")), "nothing was written")
    }

    /// A host whose products are the BLAS's beside one with ours, as AVX-512 beside AVX2 would be.
    @Test func mixedMachinesAreRefused() throws {
      let scratch = try Scratch()
      let flags = Self.flags(scratch.path("out"), [])
      let run = try Program.run(
        Program.openMPI + ["-np", "1", Program.treg] + flags
          + [":", "-np", "1", "env", "TREG_PRODUCTS=blas", Program.treg] + flags)
      let doctor = try Program.treg(["doctor"])
      guard doctor.output.contains("own products") else { return }
      #expect(run.exitCode == 76, "\(run.errors)")
      #expect(run.complaints.count == 1, "\(run.errors)")
      #expect(run.complaints.first?.contains("rank 1 (") == true, "\(run.errors)")
      #expect(run.complaints.first?.contains("they would not give the same bits") == true, "\(run.errors)")
    }

    /// What it costs is said before step 1.
    @Test func buffersArePrinted() throws {
      let scratch = try Scratch()
      let run = try Self.train(scratch.path("out"), ["--dry-run"])
      let all = run.output + run.errors
      #expect(
        all.contains("reproducible: 8 virtual ranks, 8 on each rank, which hold 3 more gradient buffers"), "\(all)")
      #expect(all.contains("= 4 · 4 · "), "\(all)")
    }
  }
}
