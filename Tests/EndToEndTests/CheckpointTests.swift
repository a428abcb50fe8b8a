import Foundation
import FuzzSupport
import ModelFiles
import OrderedJSON
import Testing

extension EndToEndTests {
  /// What checkpoints hold, which of them count, and which are kept.
  @Suite(.serialized) struct CheckpointTests {
    /// Twelve steps with a checkpoint after each, and what comes of them.
    private static func train(_ out: String, _ more: String...) -> [String] {
      Tiny.train(out, ["--max-steps", "12", "--save-steps", "1", "--save-total-limit", "null"] + more)
    }

    private static let unbroken: Result<Data, any Error> = Result {
      let scratch = try Scratch()
      let run = try Program.treg(train(scratch.path("out")))
      try #require(run.exitCode == 0, "\(run.errors)")
      return try FinishedRun(scratch.path("out")).modelBytes()
    }

    private func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

    private func change(_ path: String, _ body: (inout Data) -> Void) throws {
      var data = try bytes(path)
      body(&data)
      try data.write(to: URL(fileURLWithPath: path))
    }

    // MARK: Damage

    /// Ways to damage a checkpoint, and what is said about each.
    private var damages: [(reason: String, damage: (_ folder: String) throws -> Void)] {
      let optimizer = "state/optimizer-00000-of-00001.bin"
      func remove(_ name: String) -> (String) throws -> Void {
        { try FileManager.default.removeItem(atPath: $0 + "/" + name) }
      }
      func edit(_ name: String, _ body: @escaping (inout Data) -> Void) -> (String) throws -> Void {
        { try change($0 + "/" + name, body) }
      }
      return [
        ("model.safetensors has 5000 bytes, expected", edit("model.safetensors") { $0 = $0.prefix(5000) }),
        ("model.safetensors is missing", remove("model.safetensors")),
        (
          "model.safetensors does not hold what was written: its hash differs",
          edit("model.safetensors") { $0[$0.count / 2] ^= 4 }
        ),
        ("\(optimizer) does not hold what was written: its hash differs", edit(optimizer) { $0[20] ^= 1 }),
        ("\(optimizer) has 0 bytes, expected", edit(optimizer) { $0 = Data() }),
        ("tokenizer.json is missing", remove("tokenizer.json")),
        (
          "state/state.json does not hold what was written: its hash differs",
          edit("state/state.json") {
            $0 = Data(String(decoding: $0, as: UTF8.self).replacing("_steps\": 12", with: "_steps\": 13").utf8)
          }
        ),
        ("state/state.json: not JSON", edit("state/state.json") { $0 = $0.prefix(60) }),
        ("state/manifest.json is missing", remove("state/manifest.json")),
        ("state/manifest.json: the manifest is damaged", edit("state/manifest.json") { $0 = $0.dropLast(30) }),
        (
          "state/state.json is missing",
          { folder in
            try FileManager.default.removeItem(atPath: folder)
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
          }
        ),
      ]
    }

    @Test func damagedCheckpointsAreNamedAndPassedOver() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      try #require(try Program.treg(Self.train(out)).exitCode == 0)
      // Every one but the first.
      for (number, (_, damage)) in damages.enumerated() { try damage(out + "/checkpoint-\(number + 2)") }
      let resumed = try Program.treg(Self.train(out, "--resume"))
      try #require(resumed.exitCode == 0, "\(resumed.errors)")
      let warnings = resumed.errors.split(separator: "\n").filter { $0.hasPrefix("warning: checkpoint-") }
      #expect(warnings.count == damages.count, "\(resumed.errors)")
      for (number, (reason, _)) in damages.enumerated() {
        let line = "warning: checkpoint-\(number + 2) is damaged and passed over: \(reason)"
        #expect(warnings.contains { $0.hasPrefix(line) }, "\(line)\n\(resumed.errors)")
      }
      #expect(resumed.errors.contains("resuming from \(out)/checkpoint-1 at step 1"))
      #expect(try FinishedRun(out).modelBytes() == Self.unbroken.get(), "the same bits")
    }

    @Test func aDamagedOneThatIsNamedIsRefused() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      try #require(try Program.treg(Self.train(out)).exitCode == 0)
      let before = try FinishedRun(out).modelBytes()
      for (number, (reason, damage)) in damages.enumerated() {
        let folder = out + "/checkpoint-\(number + 2)"
        try damage(folder)
        let run = try Program.treg(Self.train(out, "--resume=" + folder))
        #expect(run.exitCode == 65 && run.complaints.count == 1, "\(reason): \(run.errors)")
        #expect(
          run.complaints.first?.contains("checkpoint-\(number + 2): the checkpoint is damaged: \(reason)") == true,
          "\(run.errors)")
      }
      #expect(try FinishedRun(out).modelBytes() == before, "what was there is as it was")
    }

    /// Nobody's night of training is begun anew in silence.
    @Test func withoutAWholeCheckpointNothingBegins() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let command = Tiny.train(out, "--save-steps", "5")
      try #require(try Program.treg(command).exitCode == 0)
      for step in [5, 10] { try change(out + "/checkpoint-\(step)/model.safetensors") { $0[3000] ^= 128 } }
      let run = try Program.treg(command + ["--resume"])
      #expect(run.exitCode == 65 && run.complaints.count == 1, "\(run.errors)")
      #expect(
        run.complaints.first?.contains("no checkpoint of this run is whole (2 there, the newest: model.safetensors")
          == true, "\(run.errors)")
    }

    /// One flipped bit anywhere in any file, in eleven checkpoints; a seed makes it repeat.
    @Test(arguments: [1, 2])
    func flippedBitsAreFound(seed: UInt64) throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      try #require(try Program.treg(Self.train(out)).exitCode == 0)
      var random = Mutator(seed: seed)
      for step in 2...12 {
        let folder = out + "/checkpoint-\(step)"
        let names = try FileManager.default.subpathsOfDirectory(atPath: folder).filter { !$0.hasSuffix("state") }
        let name = names.sorted().randomElement(using: &random)!
        try change(folder + "/" + name) { data in
          data[Int.random(in: 0..<data.count, using: &random)] ^= UInt8(1) << UInt8.random(in: 0..<8, using: &random)
        }
      }
      let resumed = try Program.treg(Self.train(out, "--resume"))
      try #require(resumed.exitCode == 0, "\(resumed.errors)")
      #expect(resumed.errors.contains("resuming from \(out)/checkpoint-1 at step 1"), "\(resumed.errors)")
      #expect(try FinishedRun(out).modelBytes() == Self.unbroken.get(), "the same bits")
    }

    /// Checkpoints of programs that wrote no manifest go on, unless their files cannot be read.
    @Test func checkpointsOfEarlierVersionsAreTaken() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      try #require(try Program.treg(Self.train(out)).exitCode == 0)
      for step in 7...12 {
        let states = out + "/checkpoint-\(step)/state"
        try FileManager.default.removeItem(atPath: states + "/manifest.json")
        try change(states + "/state.json") {
          $0 = Data(String(decoding: $0, as: UTF8.self).replacing("\"version\": 3", with: "\"version\": 2").utf8)
        }
      }
      try change(out + "/checkpoint-12/model.safetensors") { $0.removeLast() }
      try change(out + "/checkpoint-11/state/optimizer-00000-of-00001.bin") { $0[5000] ^= 1 }
      try FileManager.default.removeItem(atPath: out + "/checkpoint-10/state/optimizer-00000-of-00001.bin")
      let resumed = try Program.treg(Self.train(out, "--resume"))
      try #require(resumed.exitCode == 0, "\(resumed.errors)")
      for step in 10...12 {
        #expect(resumed.errors.contains("warning: checkpoint-\(step) is damaged"), "\(resumed.errors)")
      }
      #expect(resumed.errors.contains("checkpoint-9 is of an earlier version"), "\(resumed.errors)")
      #expect(resumed.errors.contains("resuming from \(out)/checkpoint-9 at step 9"))
      #expect(try FinishedRun(out).modelBytes() == Self.unbroken.get(), "the same bits")
    }

    // MARK: What is written

    /// All files but those that hold the configuration or its hash.
    private func files(of checkpoint: String) throws -> [String: Data] {
      var files: [String: Data] = [:]
      for name in try FileManager.default.subpathsOfDirectory(atPath: checkpoint)
      where !["state", "state/state.json", "state/manifest.json"].contains(name) {
        files[name] = try bytes(checkpoint + "/" + name)
      }
      return files
    }

    /// A copy that is written while training goes on is what would have been written at once.
    @Test(arguments: [[], ["--weights", "bf16"], ["--use-peft", "true", "--lora-r", "4"]])
    func writingInTheBackgroundChangesNoBit(more: [String]) throws {
      let scratch = try Scratch()
      let (one, other) = (scratch.path("one"), scratch.path("other"))
      for (out, isAsynchronous) in [(one, "true"), (other, "false")] {
        let run = try Program.treg(
          Tiny.train(
            out, ["--save-steps", "2", "--save-total-limit", "9", "--save-async", isAsynchronous] + more))
        try #require(run.exitCode == 0, "\(run.errors)")
        #expect(
          run.errors.contains("\nsaving ") == (isAsynchronous == "true"), "the plan counts the copy: \(run.errors)")
      }
      for step in stride(from: 2, through: 10, by: 2) {
        let (first, second) = (try files(of: one + "/checkpoint-\(step)"), try files(of: other + "/checkpoint-\(step)"))
        #expect(first.count >= 5 && first == second, "checkpoint-\(step)")
      }
    }

    /// Ranks divide the files of weights; together they hold the model, whoever opens it.
    @Test(.disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"), arguments: [[], ["--weights", "bf16"]])
    func ranksWriteTheModelTogether(more: [String]) throws {
      #expect(shimsAreBuilt)
      let scratch = try Scratch()
      let out = scratch.path("out")
      let command = Tiny.train(out, ["--save-steps", "10", "--max-shard-size", "30KB"] + more)
      let run = try Program.treg(command, ranks: 2)
      try #require(run.exitCode == 0, "\(run.errors)")
      let checkpoint = out + "/checkpoint-10"
      let names = try FinishedRun(out).names(in: "checkpoint-10")
      #expect(names.filter { $0.hasPrefix("model-0000") }.count > 3, "\(names)")
      let (saved, trained) = (try SafetensorsFolder(checkpoint), try SafetensorsFolder(out))
      #expect(saved.names == trained.names && !saved.names.isEmpty)
      for name in saved.names { #expect(try saved.values(of: name) == trained.values(of: name), "\(name)") }
      let next = try Program.treg(Tiny.train(scratch.path("next"), "--model", checkpoint))
      #expect(next.exitCode == 0, "\(next.errors)")
      // Damage in a file that the other rank wrote, or checks, is found as well.
      try change(checkpoint + "/" + names.first { $0.hasPrefix("model-0000") }!) { $0[$0.count - 9] ^= 2 }
      let refused = try Program.treg(command + ["--resume"], ranks: 2)
      #expect(refused.exitCode == 65 && refused.complaints.count == 1, "\(refused.errors)")
    }

    // MARK: What is kept

    private func best(_ out: String) throws -> (checkpoint: String, value: Double) {
      let json = try JSONValue(parsing: [UInt8](bytes(out + "/run/best.json")))
      return (json["checkpoint"]?.string ?? "", json["value"]?.double ?? .nan)
    }

    @Test(
      arguments: [
        ("eval_loss", nil), ("rewards/margins", nil), ("eval_loss", "true"),
      ] as [(String, String?)])
    func theBestCheckpointIsKept(metric: String, greater: String?) throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      var command = Tiny.train(
        out, "--eval-data", Tiny.held, "--eval-steps", "2", "--save-steps", "2", "--save-total-limit", "2",
        "--metric-for-best-model", metric)
      if let greater { command += ["--greater-is-better", greater] }
      let run = try Program.treg(command)
      try #require(run.exitCode == 0, "\(run.errors)")
      let name = metric.hasPrefix("eval_") ? metric : "eval_" + metric
      let evaluations = try FinishedRun(out).metrics(evaluation: true).compactMap { line in
        line["step"]?.integer.flatMap { step in line[name]?.double.map { (step: step, value: $0) } }
      }.filter { $0.step > 0 }
      try #require(evaluations.count == 5)
      let isGreater = greater == "true" || !metric.hasSuffix("loss")
      let expected = evaluations.min { isGreater ? $0.value > $1.value : $0.value < $1.value }!
      let best = try best(out)
      #expect(best.checkpoint == "checkpoint-\(expected.step)" && best.value == expected.value)
      let kept = expected.step == 10 ? ["checkpoint-10", "checkpoint-8"] : ["checkpoint-10", best.checkpoint]
      #expect(try FinishedRun(out).checkpoints == kept.sorted())
    }

    /// The largest eval_loss is that of an early step: the trained model is not the last one.
    @Test func theTrainedModelCanBeTheBest() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let command = Tiny.train(
        out, "--eval-data", Tiny.held, "--eval-steps", "2", "--save-steps", "4", "--save-total-limit", "1",
        "--load-best-model-at-end", "true", "--greater-is-better", "true")
      let run = try Program.treg(command)
      try #require(run.exitCode == 0, "\(run.errors)")
      let best = try best(out)
      try #require(best.checkpoint == "checkpoint-4", "the test wants a best one that is not the last: \(best)")
      #expect(try FinishedRun(out).checkpoints == ["checkpoint-4", "checkpoint-8"], "the newest stays beside it")
      #expect(run.errors.contains("the trained model is that of step 4, the best by eval_loss"), "\(run.errors)")
      #expect(try FinishedRun(out).modelBytes() == bytes(out + "/checkpoint-4/model.safetensors"))
      // Whoever goes on knows it still; without it, the last weights are better than none.
      let again = try Program.treg(command + ["--resume"])
      #expect(again.exitCode == 0 && again.errors.contains("that of step 4"), "\(again.errors)")
      try change(out + "/checkpoint-4/model.safetensors") { $0[4000] ^= 1 }
      let last = try Program.treg(command + ["--resume"])
      #expect(
        last.exitCode == 0 && last.errors.contains("WARNING: the trained model is that of the last step"),
        "\(last.errors)")
      #expect(try FinishedRun(out).modelBytes() != bytes(out + "/checkpoint-4/model.safetensors"))
    }

    @Test func unusableComparisonsAreRefused() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let refusals: [([String], String)] = [
        (["--metric-for-best-model", "eval_beauty"], "no metric of evaluations is named eval_beauty"),
        (["--load-best-model-at-end", "true"], "set eval_steps"),
        (
          ["--load-best-model-at-end", "true", "--eval-data", Tiny.held, "--eval-steps", "2", "--save-steps", "3"],
          "a multiple of it"
        ),
      ]
      for (flags, text) in refusals {
        let run = try Program.treg(Tiny.train(out, flags))
        #expect([64, 78].contains(run.exitCode) && run.complaints.count == 1, "\(run.errors)")
        #expect(run.complaints.first?.contains(text) == true, "\(run.errors)")
      }
      #expect(!exists(out + "/run/config.yaml"))
    }
  }
}
