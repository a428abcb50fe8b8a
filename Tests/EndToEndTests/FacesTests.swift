import Foundation
import OrderedJSON
import Testing

extension EndToEndTests {
  /// `treg doctor` and `treg inspect` as users type them.
  @Suite struct FacesTests {
    private static let tiny = URL(fileURLWithPath: Tiny.golden).appendingPathComponent("../../ModelFilesTests/Golden")
      .standardizedFileURL.path

    @Test func doctorKnowsFoldersFilesAndNames() throws {
      let scratch = try Scratch()
      for (words, kind) in [
        ([Tiny.model], "a Hugging Face folder"), (["--model", Self.tiny + "/tiny.gguf"], "a GGUF file"),
      ] {
        let run = try Program.treg(["doctor"] + words)
        #expect(run.exitCode == 0 && run.errors.isEmpty, "\(run.errors)")
        #expect(run.output.contains(kind) && run.output.contains("can be trained here"))
        #expect(run.output.contains("gradients") && !run.output.contains("\u{1B}"))
      }
      // A name from the local cache.
      let snapshots = scratch.path("hub/models--some--thing/snapshots")
      try FileManager.default.createDirectory(atPath: snapshots, withIntermediateDirectories: true)
      try FileManager.default.copyItem(atPath: Tiny.model, toPath: snapshots + "/abc")
      let named = try Program.treg(["doctor", "some/thing"], environment: ["HF_HUB_CACHE": scratch.path("hub")])
      #expect(named.exitCode == 0 && named.output.contains("snapshots/abc"), "\(named.errors)")
    }

    @Test func doctorTellsWhatCannotBeTrainedFromWhatIsMissing() throws {
      let scratch = try Scratch()
      let other = try scratch.copyOfModel("other")
      let text = try scratch.text("other/config.json").replacing("LlamaForCausalLM", with: "MixtralForCausalLM")
      try scratch.write(
        text.replacing("{\n", with: "{\n\"num_local_experts\": 8,\n", maxReplacements: 1), to: "other/config.json")
      let refused = try Program.treg(["doctor", other])
      #expect(refused.exitCode == 65 && refused.complaints.count == 1, "\(refused.errors)")
      #expect(refused.errors.contains("MixtralForCausalLM") && refused.errors.contains("mixture of experts"))
      let missing = try Program.treg(["doctor", scratch.path("nowhere")])
      #expect(missing.exitCode == 66 && missing.complaints.count == 1, "\(missing.errors)")
      let halved = try scratch.copyOfModel("halved")
      try FileManager.default.removeItem(atPath: halved + "/model.safetensors")
      #expect(try Program.treg(["doctor", halved]).exitCode == 66)
      let broken = try scratch.copyOfModel("broken")
      try scratch.write("{", to: "broken/tokenizer.json")
      #expect(try Program.treg(["doctor", broken]).exitCode == 65)
    }

    /// What a run with `use_peft` leaves is looked at like any model.
    @Test func doctorKnowsAdapters() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let run = try Program.treg(
        Tiny.train(out, "--use-peft", "true", "--lora-r", "2", "--max-steps", "1", "--treg-alpha", "0"))
      try #require(run.exitCode == 0, "\(run.errors)")
      let doctor = try Program.treg(["doctor", out, "--lora-r", "2", "--use-peft", "true"])
      #expect(doctor.exitCode == 0, "\(doctor.errors)")
      #expect(doctor.output.contains("a PEFT adapter on \(Tiny.model)"), "\(doctor.output)")
      #expect(doctor.output.contains("adapters:") && doctor.output.contains("\nadapter "))
    }

    @Test func withoutAModelTheMachineSpeaks() throws {
      let run = try Program.treg(["doctor"])
      #expect(run.exitCode == 0 && run.output.contains("BLAS") && !run.output.contains("parameters"))
    }

    @Test func inspectShowsRowsAndFiles() throws {
      let words = ["inspect", "--model", Tiny.model, "--data", Tiny.pairs, "--max-length", "256"]
      let row = try Program.treg(words + ["--row", "2"])
      #expect(row.exitCode == 0 && row.output.contains("Say hello politely."), "\(row.errors)")
      let ids = try Program.treg(words + ["--row", "2", "--ids", "--treg-alpha", "0"])
      #expect(ids.output.contains("position   id  token"), "\(ids.output)")
      let object = try JSONValue(parsing: Program.treg(words + ["--row", "2", "--jsonl"]).output)
      #expect(object["row"] == 2 && object["chosen"]?["rewards"]?.array?.isEmpty == false)
      let summary = try Program.treg(words + ["--summary"], environment: ["COLUMNS": "50"])
      #expect(summary.output.contains("24 read, 24 used, 0 refused"))
      #expect(summary.output.split(separator: "\n").filter { $0.contains("█") }.allSatisfy { $0.count <= 50 })
      let figures = try JSONValue(parsing: Program.treg(words + ["--summary", "--jsonl"]).output)
      #expect(figures["rows_used"] == 24)
      let coloured = try Program.treg(
        words, environment: ["FORCE_COLOR": "1", "NO_COLOR": nil, "COLORTERM": nil, "TERM": "xterm"])
      #expect(coloured.output.contains("\u{1B}[2m") && coloured.output.contains("\u{1B}[1;48;5;"))
      let plain = try Program.treg(words, environment: ["FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm"])
      #expect(!plain.output.contains("\u{1B}"))
      #expect(try Program.treg(words + ["--row", "24"]).exitCode == 64)
      #expect(try Program.treg(words + ["--summary", "--ids"]).exitCode == 64)
    }

    /// Names of files come from elsewhere too.
    @Test func errorsDoNotSteerTheTerminal() throws {
      let run = try Program.treg(["doctor", "/no\u{1B}[2Jwhere"])
      #expect(run.exitCode == 66 && !run.errors.contains("\u{1B}") && run.errors.contains("<1B>[2J"))
    }
  }
}
