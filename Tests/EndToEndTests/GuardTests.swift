import Foundation
import OrderedJSON
import RunFolder
import Testing

extension EndToEndTests {
  /// Steps that must not change a model, and ranks that are not of one mind.
  @Suite(.serialized, .disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"))
  struct GuardTests {
    init() { #expect(shimsAreBuilt) }

    private static func train(
      _ out: String, _ more: [String] = [], ranks: Int, drill: String? = nil
    ) throws -> Outcome {
      try Program.treg(Tiny.train(out, more), ranks: ranks, environment: ["TREG_DRILL": drill], seconds: 30)
    }

    private static func skipped(_ out: String) throws -> [JSONValue] {
      try String(contentsOfFile: out + "/run/skipped.jsonl", encoding: .utf8).split(separator: "\n").map {
        try JSONValue(parsing: String($0))
      }
    }

    /// A gradient that is not finite once is computed again, and nothing is lost.
    @Test(arguments: [1, 2, 3], ["reduce_scatter", "all_reduce"])
    func aFaultOfTheMomentChangesNothing(ranks: Int, exchange: String) throws {
      let scratch = try Scratch()
      let more = ["--gradient-exchange", exchange, "--micro-batch-tokens", "128"]
      let unbroken = try Self.train(scratch.path("unbroken"), more, ranks: ranks)
      let faulty = try Self.train(scratch.path("faulty"), more, ranks: ranks, drill: "nan:step=3,rank=\(ranks - 1)")
      try #require(unbroken.exitCode == 0 && faulty.exitCode == 0, "\(unbroken.errors)\(faulty.errors)")
      #expect(faulty.errors.contains("WARNING: step 3: the gradient was not finite, and is when computed again"))
      let (one, other) = (FinishedRun(scratch.path("unbroken")), FinishedRun(scratch.path("faulty")))
      #expect(try one.losses() == other.losses())
      #expect(try one.modelBytes() == other.modelBytes())
      #expect(!exists(scratch.path("faulty") + "/run/skipped.jsonl"))
      #expect(try other.metrics().last?["guard/skipped"]?.integer == 0)
    }

    /// One that stays so is skipped: the same run as one that is told to skip the step, and not the unbroken one.
    @Test(arguments: [1, 2, 3]) func aStepThatStaysBrokenIsSkipped(ranks: Int) throws {
      let scratch = try Scratch()
      var runs: [FinishedRun] = []
      for (name, drill) in [
        ("broken", "nan:step=3,rank=\(ranks - 1),times=2"), ("told", "skip:step=3"), ("whole", nil),
      ] {
        let run = try Self.train(scratch.path(name), ranks: ranks, drill: drill)
        try #require(run.exitCode == 0, "\(run.errors)")
        runs.append(FinishedRun(scratch.path(name)))
        guard name == "broken" else { continue }
        #expect(
          run.errors.contains(
            "WARNING: step 3 is skipped: the loss or the gradient is not finite, computed twice; rows "))
      }
      #expect(try runs[0].modelBytes() == runs[1].modelBytes())
      #expect(try runs[0].modelBytes() != runs[2].modelBytes())
      #expect(try runs[0].losses() == runs[1].losses() && runs[0].losses().count == 9, "no loss of the skipped step")
      #expect(try runs[0].metrics().map { $0["guard/skipped"]?.integer } == [0, 0, 1, 1, 1, 1, 1, 1, 1, 1])
      #expect(
        try runs[0].metrics().map { $0["learning_rate"]?.double }
          == runs[2].metrics().map { $0["learning_rate"]?.double })
      let lines = try Self.skipped(runs[0].path)
      #expect(lines.count == 1 && lines[0]["step"]?.integer == 3 && lines[0]["reason"]?.string == "nonfinite")
      let rows = (lines[0]["rows"]?.array ?? []).compactMap(\.integer)
      #expect(rows.count == 8 && Set(rows).count == 8)
      #expect(try Self.skipped(runs[1].path)[0]["rows"] == lines[0]["rows"])
    }

    @Test(arguments: [1, 2]) func tooManyInARowEndARun(ranks: Int) throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let run = try Self.train(out, ["--save-steps", "1"], ranks: ranks, drill: "nan:step=2,rank=0,times=6")
      #expect(run.exitCode == 79, "\(run.errors)")
      #expect(run.complaints.count == 1, "\(run.errors)")
      let line = try #require(run.complaints.last)
      #expect(
        line.contains("3 steps in a row were skipped") && line.contains("no weight has changed since step 1"), "\(line)"
      )
      #expect(line.hasSuffix("→ run/errors/rank-00000.json"))
      let skipped = try Self.skipped(out)
      #expect(skipped.map { $0["in_row"]?.integer } == [1, 2, 3])
      #expect(!exists(out + "/model.safetensors"))
      let cause = try #require(try FirstCause.find(in: RunLayout(out)))
      #expect(cause.report.cause == .nonFinite && cause.report.exitCode == .nonFinite && cause.report.step == 4)
      let rows = skipped.reversed().flatMap { ($0["rows"]?.array ?? []).compactMap(\.integer) }
      #expect(rows.count == 24 && cause.report.rows == rows, "those of the last step first")
      #expect(
        line.contains("The last one had rows \(rows.prefix(8).map(String.init).joined(separator: ", "))."), "\(line)")
      // Two in a row, and two more later, are borne.
      let borne = try Self.train(
        scratch.path("borne"), ranks: ranks, drill: "skip:step=2;skip:step=3;skip:step=6;skip:step=7")
      #expect(borne.exitCode == 0, "\(borne.errors)")
      #expect(try FinishedRun(scratch.path("borne")).metrics().last?["guard/skipped"]?.integer == 4)
    }

    /// The guard's memory and AdamW's count of gradients outlive a stop.
    @Test func skippedStepsSurviveResuming() throws {
      let scratch = try Scratch()
      let (whole, parted) = (scratch.path("whole"), scratch.path("parted"))
      let drill = "skip:step=1;skip:step=4"
      let unbroken = try Self.train(whole, ranks: 1, drill: drill)
      let first = try Self.train(parted, ["--save-steps", "5"], ranks: 1, drill: drill)
      try #require(unbroken.exitCode == 0 && first.exitCode == 0, "\(unbroken.errors)\(first.errors)")
      try FileManager.default.removeItem(atPath: parted + "/model.safetensors")
      let resumed = try Self.train(parted, ["--resume", parted + "/checkpoint-5"], ranks: 1)
      try #require(resumed.exitCode == 0, "\(resumed.errors)")
      #expect(try FinishedRun(whole).modelBytes() == FinishedRun(parted).modelBytes())
      #expect(try FinishedRun(parted).metrics().last?["guard/skipped"]?.integer == 2)
      #expect(try Self.skipped(parted).map { $0["step"]?.integer } == [1, 4])
    }

    /// A limit between the greatest ratio to the running median that a run meets and 1 makes that step a spike.
    @Test func spikesAreSkipped() throws {
      let scratch = try Scratch()
      // Hardly moves, so that norms differ by their rows alone.
      let steps = ["--max-steps", "30", "--learning-rate", "1e-6"]
      let plain = try Self.train(scratch.path("plain"), steps, ranks: 1)
      try #require(plain.exitCode == 0, "\(plain.errors)")
      let norms = try FinishedRun(scratch.path("plain")).metrics().compactMap { $0["grad_norm"]?.double }
      try #require(norms.count == 30)
      func median(_ values: ArraySlice<Double>) -> Double {
        let sorted = values.sorted()
        return sorted.count % 2 == 1
          ? sorted[sorted.count / 2] : (sorted[sorted.count / 2 - 1] + sorted[sorted.count / 2]) / 2
      }
      let ratios = (8..<30).map { norms[$0] / median(norms[..<$0]) }
      let greatest = try #require(ratios.max())
      try #require(greatest > 1)
      let factor = 1 + (greatest - 1) * 0.999
      let first = ratios.firstIndex { $0 > factor }
      let step = try #require(first) + 9
      let guarded = try Self.train(scratch.path("guarded"), steps + ["--spike-factor", "\(factor)"], ranks: 1)
      let told = try Self.train(scratch.path("told"), steps, ranks: 1, drill: "skip:step=\(step)")
      try #require(guarded.exitCode == 0 && told.exitCode == 0, "\(guarded.errors)\(told.errors)")
      let lines = try Self.skipped(scratch.path("guarded"))
      #expect(lines.first?["step"]?.integer == step && lines.first?["reason"]?.string == "spike")
      if lines.count == 1 {
        #expect(
          try FinishedRun(scratch.path("guarded")).modelBytes() == FinishedRun(scratch.path("told")).modelBytes())
      }
    }

    /// One bit of one rank's weights: found, and the rank named, before it gets into anything that lasts.
    @Test(
      arguments: [2, 3],
      [[], ["--weights", "bfloat16"], ["--use-peft", "true"], ["--gradient-exchange", "all_reduce"]])
    func aFlippedBitIsFound(ranks: Int, more: [String]) throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let run = try Self.train(
        out, more + ["--check-weights-steps", "2", "--save-steps", "4"], ranks: ranks,
        drill: "flip:step=4,rank=\(ranks - 1)")
      #expect(run.exitCode == 76, "\(run.errors)")
      #expect(run.complaints.count == 1, "\(run.errors)")
      let line = try #require(run.complaints.last)
      #expect(line.hasPrefix("treg: ranks disagree: rank \(ranks - 1) ("), "\(line)")
      #expect(line.contains(") holds other weights in bucket ") && line.contains("model."), "\(line)")
      #expect(line.hasSuffix("→ run/errors/rank-0000\(ranks - 1).json"))
      #expect(try FinishedRun(out).checkpoints.isEmpty)
      let cause = try #require(try FirstCause.find(in: RunLayout(out)))
      #expect(cause.rank == ranks - 1 && cause.report.cause == .disagree && cause.report.step == 4)
    }

    @Test func ranksAtDifferentStepsAreFound() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let run = try Self.train(out, ranks: 3, drill: "lag:step=3,rank=1")
      #expect(run.exitCode == 76 && run.complaints.count == 1, "\(run.errors)")
      let line = try #require(run.complaints.last)
      #expect(
        line.hasPrefix("treg: ranks disagree: rank 1 (") && line.contains(") is at step 4 with 0 pairs"), "\(line)")
      #expect(line.contains("at step 3 with 8 pairs"), "\(line)")
      #expect(!exists(out + "/model.safetensors"))
    }
  }
}
