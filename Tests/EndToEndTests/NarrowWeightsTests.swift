import Foundation
import ModelFiles
import Testing

extension EndToEndTests {
  /// Weights of two bytes with fp32 masters.
  @Suite(.serialized) struct NarrowWeightsTests {
    private func train(_ out: String, _ more: String..., ranks: Int = 1) throws -> Outcome {
      try Program.treg(Tiny.train(out, ["--treg-alpha", "0"] + more), ranks: ranks)
    }

    /// Rounds a model by `treg convert`; its files then hold the type itself.
    private func rounded(_ scratch: Scratch, _ type: String) throws -> String {
      let folder = scratch.path(type)
      let run = try Program.treg(["convert", "--model", Tiny.model, "--out", folder, "--dtype", type])
      try #require(run.exitCode == 0, "\(run.errors)")
      return folder
    }

    private func evaluation(_ model: String, _ weights: String) throws -> String {
      let run = try Program.treg(
        [
          "evaluate", "--model", model, "--data", Tiny.held, "--jsonl", "--max-length", "256", "--weights", weights,
          "--threads", "1",
        ])
      try #require(run.exitCode == 0, "\(run.errors)")
      return run.output
    }

    @Test(arguments: [("bf16", "bfloat16"), ("fp16", "float16")])
    func frozenModelsGiveTheBitsOfRoundedFloats(short: String, type: String) throws {
      let scratch = try Scratch()
      let folder = try rounded(scratch, type)
      let floats = try evaluation(folder, "float32")
      #expect(try evaluation(folder, short) == floats)
      #expect(try evaluation(folder, "auto") == floats)
      #expect(try evaluation(Tiny.model, type) == floats, "rounded as it is read")
      #expect(try evaluation(Tiny.model, "float32") != floats)
    }

    @Test(arguments: ["bf16", "fp16"])
    func trainsFromMastersThatRoundToTheWeights(type: String) throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let run = try train(out, "--weights", type)
      try #require(run.exitCode == 0, "\(run.errors)")
      #expect(run.errors.contains("masters"), "memory tells of them")
      let losses = try FinishedRun(out).losses()
      #expect(abs(losses[0] - log(2)) < 1e-5 && losses.last! < losses[0] - 0.03)
      // Masters keep what rounded weights would lose.
      let weights = try FinishedRun(out).weights()["model.norm.weight"]!
      #expect(weights.contains { $0.bitPattern & 0xFFFF != 0 })
    }

    @Test(.disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"), arguments: [2, 3])
    func ranksAgree(ranks: Int) throws {
      #expect(shimsAreBuilt)
      let scratch = try Scratch()
      for (name, count, exchange) in [
        ("one", 1, "reduce_scatter"), ("many", ranks, "reduce_scatter"), ("all", ranks, "all_reduce"),
      ] {
        let run = try train(
          scratch.path(name), "--weights", "bf16", "--gradient-exchange", exchange, ranks: count)
        try #require(run.exitCode == 0, "\(run.errors)")
      }
      let one = try FinishedRun(scratch.path("one")).losses()
      for name in ["many", "all"] {
        let losses = try FinishedRun(scratch.path(name)).losses()
        #expect(losses.count == 10)
        // A sum in another order may round a weight to its other neighbour.
        for (loss, expected) in zip(losses, one) { #expect(abs(loss - expected) <= 1e-3 * abs(expected)) }
      }
    }

    @Test(.disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"), arguments: [1, 2])
    func resumedIsTheUnbrokenRun(ranks: Int) throws {
      #expect(shimsAreBuilt)
      let scratch = try Scratch()
      let (whole, broken) = (scratch.path("whole"), scratch.path("broken"))
      #expect(try train(whole, "--weights", "bf16", ranks: ranks).exitCode == 0)
      #expect(try train(broken, "--weights", "bf16", "--save-steps", "5", ranks: ranks).exitCode == 0)
      try FileManager.default.removeItem(atPath: broken + "/checkpoint-10")
      let resumed = try train(broken, "--weights", "bf16", "--save-steps", "5", "--resume", ranks: ranks)
      try #require(resumed.exitCode == 0, "\(resumed.errors)")
      #expect(try FinishedRun(broken).modelBytes() == FinishedRun(whole).modelBytes(), "the same bits")
      let refused = try train(broken, "--resume", broken + "/checkpoint-5")
      #expect(refused.exitCode == 78 && refused.complaints[0].contains("weights: bfloat16 in the checkpoint"))
    }

    @Test func numbersThatDoNotFitAreNamed() throws {
      let scratch = try Scratch()
      let model = try scratch.copyOfModel()
      try scratch.write(try Tensors.changed(in: model) { $0[7] = 70_000 }, to: "model/model.safetensors")
      let run = try Program.treg(Tiny.train(scratch.path("out"), ["--model", model, "--weights", "fp16"]))
      #expect(run.exitCode == 65 && run.complaints.count == 1, "\(run.errors)")
      #expect(run.complaints[0].contains("holds 70000.0, which does not fit float16"))
      // Still a weight when it is read, no more after a step.
      try scratch.write(try Tensors.changed(in: Tiny.model) { $0[7] = 65_500 }, to: "model/model.safetensors")
      let grown = try train(
        scratch.path("grown"), "--model", model, "--weights", "fp16", "--learning-rate", "1e3", "--warmup-ratio", "0")
      #expect(grown.exitCode == 79 && grown.complaints.count == 1, "\(grown.errors)")
      #expect(grown.complaints[0].contains("which float16 does not hold"), "\(grown.complaints)")
    }
  }
}
