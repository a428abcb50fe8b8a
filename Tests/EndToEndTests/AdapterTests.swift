import Foundation
import ModelFiles
import OrderedJSON
import Testing

extension EndToEndTests {
  /// Low-rank adapters in place of the weights.
  @Suite(.serialized) struct AdapterTests {
    private static let flags = ["--use-peft", "true", "--lora-r", "4", "--lora-alpha", "8", "--learning-rate", "1e-2"]

    private func train(_ out: String, _ more: String..., ranks: Int = 1) throws -> Outcome {
      try Program.treg(Tiny.train(out, Self.flags + more), ranks: ranks)
    }

    private func weights(_ folder: String) throws -> [String: [Float]] {
      let file = try SafetensorsFile(folder + "/adapter_model.safetensors")
      return try Dictionary(uniqueKeysWithValues: file.names.map { ($0, try file.values(of: $0)) })
    }

    private func evaluation(_ model: String) throws -> String {
      let run = try Program.treg(
        [
          "evaluate", "--model", model, "--reference", Tiny.model, "--data", Tiny.held, "--jsonl", "--max-length",
          "256",
        ])
      try #require(run.exitCode == 0, "\(run.errors)")
      return run.output
    }

    @Test func trainsAFolderThatOpensAndMerges() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let run = try train(out, "--treg-alpha", "0")
      try #require(run.exitCode == 0, "\(run.errors)")
      #expect(run.errors.contains("adapters: rank 4 at 4 projections"), "queries and values of two layers")
      let losses = try FinishedRun(out).losses()
      #expect(abs(losses[0] - log(2)) < 1e-5, "new adapters change nothing")
      #expect(losses.last! < losses[0] - 0.05)
      #expect(!exists(out + "/model.safetensors") && !exists(out + "/config.json"))
      let names = try weights(out).keys.sorted()
      #expect(names.count == 8)
      #expect(names.first == "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight")
      let configuration = try JSONValue(parsing: String(contentsOfFile: out + "/adapter_config.json", encoding: .utf8))
      #expect(configuration["base_model_name_or_path"]?.string == Tiny.model)

      let merged = scratch.path("merged")
      let converted = try Program.treg(["convert", "--model", out, "--out", merged])
      try #require(converted.exitCode == 0, "\(converted.errors)")
      let (adapted, whole) = (try evaluation(out), try evaluation(merged))
      #expect(adapted == whole)
      #expect(try evaluation(Tiny.model) != whole)

      let before = try weights(out)
      let inPlace = try Program.treg(["convert", "--model", out, "--out", out, "--overwrite"])
      #expect(inPlace.exitCode == 73 && inPlace.complaints.count == 1, "\(inPlace.errors)")
      #expect(try weights(out) == before && !exists(out + "/config.json"), "the adapter is as it was")
    }

    @Test(.disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"), arguments: [2, 3])
    func ranksAgree(ranks: Int) throws {
      #expect(shimsAreBuilt)
      let scratch = try Scratch()
      let all = ["--lora-target-modules", "all-linear"]
      for (name, ranks) in [("one", 1), ("many", ranks)] {
        let run = try Program.treg(Tiny.train(scratch.path(name), Self.flags + all), ranks: ranks)
        try #require(run.exitCode == 0, "\(run.errors)")
      }
      let (one, many) = (try FinishedRun(scratch.path("one")).losses(), try FinishedRun(scratch.path("many")).losses())
      #expect(one.count == 10 && many.count == 10)
      for (loss, expected) in zip(many, one) { #expect(abs(loss - expected) <= 1e-4 * abs(expected)) }
    }

    @Test func resumedIsTheUnbrokenRun() throws {
      let scratch = try Scratch()
      let (whole, broken) = (scratch.path("whole"), scratch.path("broken"))
      #expect(try train(whole).exitCode == 0)
      #expect(try train(broken, "--save-steps", "5").exitCode == 0)
      #expect(try FinishedRun(broken).names(in: "checkpoint-5").contains("adapter_model.safetensors"))
      try FileManager.default.removeItem(atPath: broken + "/checkpoint-10")
      let resumed = try train(broken, "--resume", "--save-steps", "5")
      try #require(resumed.exitCode == 0, "\(resumed.errors)")
      #expect(try weights(broken) == weights(whole), "the same bits")
      let refused = try train(broken, "--resume", broken + "/checkpoint-5", "--lora-r", "8")
      #expect(refused.exitCode == 78 && refused.complaints[0].contains("lora_r: 4 in the checkpoint, 8 now"))
    }

    /// The reference is the adapter as it was: the first loss is ln 2.
    @Test func trainingGoesOnFromAnAdapter() throws {
      let scratch = try Scratch()
      let (first, second) = (scratch.path("first"), scratch.path("second"))
      #expect(try train(first, "--lora-target-modules", "q_proj", "mlp.up_proj").exitCode == 0)
      let run = try Program.treg(
        Tiny.train(second, ["--model", first, "--use-peft", "true", "--learning-rate", "1e-2", "--treg-alpha", "0"]))
      try #require(run.exitCode == 0, "\(run.errors)")
      #expect(run.errors.contains("they start as \(first)"))
      let losses = try FinishedRun(second).losses()
      #expect(abs(losses[0] - log(2)) < 1e-5 && losses.last! < losses[0] - 0.05)
      #expect(try weights(second).keys == weights(first).keys && weights(second) != weights(first))
      let configuration = try JSONValue(
        parsing: String(contentsOfFile: second + "/adapter_config.json", encoding: .utf8))
      #expect(configuration["base_model_name_or_path"]?.string == Tiny.model, "the model, not the adapter")
      #expect(configuration["r"]?.integer == 4 && configuration["lora_alpha"]?.double == 8)
      #expect(configuration["target_modules"]?.array?.compactMap(\.string) == ["q_proj", "up_proj"])
      // One step at rate 0 changes nothing.
      let same = scratch.path("same")
      #expect(
        try Program.treg(
          Tiny.train(same, ["--model", first, "--use-peft", "true", "--learning-rate", "0", "--max-steps", "1"])
        ).exitCode == 0)
      #expect(try weights(same) == weights(first))

      let other = try Program.treg(
        Tiny.train(scratch.path("other"), ["--model", first, "--use-peft", "true", "--lora-r", "8"]))
      #expect(other.exitCode == 78 && other.complaints.first?.contains("--lora-r") != nil, "\(other.errors)")
      #expect(other.complaints.first?.contains("is not what the adapter") == true, "\(other.errors)")
      // Without use_peft the merged weights train.
      let merged = scratch.path("merged")
      let whole = try Program.treg(Tiny.train(merged, ["--model", first, "--max-steps", "1", "--weights", "bf16"]))
      #expect(whole.exitCode == 0 && exists(merged + "/model.safetensors"), "\(whole.errors)")
    }

    /// Frozen weights of two bytes, the adapter in fp32 beside them.
    @Test func trainsBesideNarrowWeights() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let run = try train(out, "--treg-alpha", "0", "--weights", "bf16")
      try #require(run.exitCode == 0, "\(run.errors)")
      #expect(!run.errors.contains("masters"), "an adapter is fp32 itself")
      let losses = try FinishedRun(out).losses()
      #expect(abs(losses[0] - log(2)) < 1e-5 && losses.last! < losses[0] - 0.05)
      let rewards = try Program.treg(Tiny.rewards(scratch.path("rewards"), "--model", out, "--weights", "bf16"))
      #expect(rewards.exitCode == 0, "\(rewards.errors)")
      let loop = scratch.path("loop")
      try FileManager.default.copyItem(atPath: out, toPath: loop)
      let file = loop + "/adapter_config.json"
      try String(contentsOfFile: file, encoding: .utf8).replacing(Tiny.model, with: out)
        .write(toFile: file, atomically: true, encoding: .utf8)
      let refused = try Program.treg(["evaluate", "--model", loop, "--data", Tiny.held])
      #expect(refused.exitCode == 65 && refused.complaints[0].contains("an adapter of an adapter"), "\(refused.errors)")
    }

    @Test func badAdaptersAreNamed() throws {
      let scratch = try Scratch()
      let unknown = try train(scratch.path("out"), "--lora-target-modules", "w_proj")
      #expect(unknown.exitCode == 78 && unknown.complaints.count == 1, "\(unknown.errors)")
      #expect(unknown.complaints[0].contains("w_proj is none of the model's projections"))
      let dropout = try train(scratch.path("out"), "--lora-dropout", "0.05")
      #expect(dropout.exitCode == 78 && dropout.complaints[0].contains("--lora-dropout"), "\(dropout.errors)")

      let out = scratch.path("adapter")
      #expect(try train(out, "--max-steps", "1").exitCode == 0)
      let file = out + "/adapter_config.json"
      let text = try String(contentsOfFile: file, encoding: .utf8)
      for (part, change, complaint) in [
        ("\"use_dora\": false", "\"use_dora\": true", "use_dora is true, which is not supported"),
        ("\"r\": 4", "\"r\": 5", "has shape [4, 32], expected [5, 32]"),
        (Tiny.model, "/nowhere", "the adapted model /nowhere is not there"),
      ] {
        try text.replacing(part, with: change).write(toFile: file, atomically: true, encoding: .utf8)
        let run = try Program.treg(["evaluate", "--model", out, "--data", Tiny.held])
        #expect([65, 66].contains(run.exitCode) && run.complaints.count == 1, "\(run.errors)")
        #expect(run.complaints.first?.contains(complaint) == true, "\(run.errors)")
      }
    }
  }
}
