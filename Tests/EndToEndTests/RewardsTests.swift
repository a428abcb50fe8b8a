import Foundation
import OrderedJSON
import Testing

extension EndToEndTests {
  /// `treg rewards`: token rewards as jobs of their own.
  @Suite(.serialized) struct RewardsTests {
    /// All rows of a folder's .jsonl files, in order.
    private func records(_ folder: String) throws -> [String] {
      try FinishedRun(folder).names().filter { $0.hasSuffix(".jsonl") }.flatMap {
        try String(contentsOfFile: folder + "/" + $0, encoding: .utf8).split(separator: "\n").map(String.init)
      }
    }

    private func make(_ folder: String, shards: Int, _ more: String...) throws {
      for shard in 0..<shards {
        let run = try Program.treg(Tiny.rewards(folder, ["--shard", "\(shard)/\(shards)"] + more))
        try #require(run.exitCode == 0, "\(run.errors)")
        #expect(exists(folder + "/manifest.json") == (shard == shards - 1), "the manifest stands for a whole set")
      }
    }

    @Test func shardsAndWholeAreEqualBitForBit() throws {
      let scratch = try Scratch()
      let whole = try Program.treg(Tiny.rewards(scratch.path("whole"), "--jsonl"))
      try #require(whole.exitCode == 0, "\(whole.errors)")
      #expect(whole.output.contains("token rewards: |r| > 0.05 on"), "the strength of the signal is printed")
      try make(scratch.path("shards"), shards: 4, "--jsonl")
      let expected = try records(scratch.path("whole"))
      #expect(expected.count == 2 * (try Tiny.rows().count))
      #expect(try records(scratch.path("shards")) == expected)
      // Rows are scored together as far as micro-batches go; of one token, every row is alone.
      let alone = try Program.treg(Tiny.rewards(scratch.path("alone"), "--jsonl", "--micro-batch-tokens", "1"))
      try #require(alone.exitCode == 0, "\(alone.errors)")
      #expect(try records(scratch.path("alone")) == expected)
      let first = try JSONValue(parsing: expected[0])
      #expect(
        first.object?.keys.map { $0 } == [
          "row", "side", "tokens", "text", "prompt_tokens", "better_prompt_tokens", "worse_prompt_tokens",
          "reference_logprobs", "better_logprobs", "worse_logprobs", "rewards",
        ])
      #expect(first["rewards"]?.array?.contains { abs($0.double ?? 0) > 1e-3 } == true, "rewards are not all zero")
    }

    @Test(.disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"), arguments: [2, 4])
    func ranksAndWholeAreEqualBitForBit(ranks: Int) throws {
      #expect(shimsAreBuilt)
      let scratch = try Scratch()
      for (name, ranks) in [("whole", 1), ("ranks", ranks)] {
        let run = try Program.treg(Tiny.rewards(scratch.path(name), "--jsonl"), ranks: ranks)
        try #require(run.exitCode == 0, "\(run.errors)")
        #expect(exists(scratch.path(name) + "/manifest.json"))
      }
      #expect(exists(scratch.path("ranks") + "/shard-00001-of-0000\(ranks).rewards"))
      #expect(try records(scratch.path("ranks")) == records(scratch.path("whole")))
    }

    @Test func trainingTakesFinishedRewards() throws {
      let scratch = try Scratch()
      try make(scratch.path("rewards"), shards: 3)
      let own = try Program.treg(Tiny.train(scratch.path("own")))
      let given = try Program.treg(Tiny.train(scratch.path("given"), "--rewards", scratch.path("rewards")))
      try #require(own.exitCode == 0 && given.exitCode == 0, "\(own.errors)\(given.errors)")
      #expect(!exists(scratch.path("given") + "/rewards"), "nothing is made anew")
      #expect(try FinishedRun(scratch.path("given")).modelBytes() == FinishedRun(scratch.path("own")).modelBytes())
      #expect(try FinishedRun(scratch.path("given")).losses() == FinishedRun(scratch.path("own")).losses())
    }

    @Test func aFinishedShardIsSkipped() throws {
      let scratch = try Scratch()
      let arguments = Tiny.rewards(scratch.path("out"), "--shard", "1/2")
      let file = scratch.path("out/shard-00001-of-00002.rewards")
      #expect(try Program.treg(arguments).exitCode == 0)
      let before = try FileManager.default.attributesOfItem(atPath: file)[.systemFileNumber] as? Int
      let again = try Program.treg(arguments)
      #expect(again.exitCode == 0 && again.errors.contains("1 of 1 shards were finished already"), "\(again.errors)")
      let after = try FileManager.default.attributesOfItem(atPath: file)[.systemFileNumber] as? Int
      #expect(before != nil && before == after, "the file was not written again")
      let overwritten = try Program.treg(arguments + ["--overwrite"])
      #expect(overwritten.exitCode == 0 && !overwritten.errors.contains("finished already"), "\(overwritten.errors)")
    }

    @Test func setsOfAnotherSizeAreRefusedOrReplaced() throws {
      let scratch = try Scratch()
      try make(scratch.path("out"), shards: 3, "--jsonl")
      let before = try FinishedRun(scratch.path("out")).names()
      let refused = try Program.treg(Tiny.rewards(scratch.path("out"), "--shard", "0/2"))
      #expect(refused.exitCode == 73 && refused.complaints.count == 1, "\(refused.errors)")
      #expect(refused.complaints.first?.contains("a set of 3 shards is here") == true)
      #expect(try FinishedRun(scratch.path("out")).names() == before)
      let replaced = try Program.treg(Tiny.rewards(scratch.path("out"), "--shard", "0/2", "--overwrite"))
      #expect(replaced.exitCode == 0, "\(replaced.errors)")
      #expect(try FinishedRun(scratch.path("out")).names() == ["shard-00000-of-00002.rewards"])
    }

    /// The records for people go with the shard they were of, and a manifest stands for shards that were made from the same.
    @Test func overwritingLeavesNothingOfTheShardBefore() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      try make(out, shards: 2, "--jsonl")
      for (shard, expected) in [
        (0, ["shard-00000-of-00002.rewards", "shard-00001-of-00002.jsonl", "shard-00001-of-00002.rewards"]),
        (1, ["manifest.json", "shard-00000-of-00002.rewards", "shard-00001-of-00002.rewards"]),
      ] {
        let run = try Program.treg(
          Tiny.rewards(out, "--shard", "\(shard)/2", "--overwrite", "--treg-template", "suffix"))
        #expect(run.exitCode == 0, "\(run.errors)")
        #expect(try FinishedRun(out).names() == expected)
      }
    }

    @Test func jobArraysOfSlurmNeedNoFlag() throws {
      let scratch = try Scratch()
      for task in ["3", "4"] {
        let run = try Program.treg(
          Tiny.rewards(scratch.path("out")),
          environment: [
            "SLURM_ARRAY_TASK_ID": task, "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_TASK_MIN": "3",
          ])
        #expect(run.exitCode == 0, "\(run.errors)")
      }
      #expect(
        try FinishedRun(scratch.path("out")).names() == [
          "manifest.json", "shard-00000-of-00002.rewards", "shard-00001-of-00002.rewards",
        ])
    }

    /// What is asked for is not what the finished shard was made from.
    @Test(arguments: [
      ("--model", "MODEL", "made with another model"),
      ("--treg-template", "suffix", "made with another contrastive template"),
      ("--max-length", "200", "made with max_length 256, not 200"), ("--data", "DATA", "made from other data"),
      ("--weights", "bf16", #"made with weights: "float32", not "bfloat16""#),
    ])
    func staleShardsAreRefused(flag: String, value: String, reason: String) throws {
      let scratch = try Scratch()
      #expect(try Program.treg(Tiny.rewards(scratch.path("out"), "--shard", "0/2")).exitCode == 0)
      let before = try FinishedRun(scratch.path("out")).names()
      var value = value
      if value == "MODEL" {
        value = try scratch.copyOfModel()
        try scratch.write(Tensors.changed(in: value) { $0[4] = 0.5 }, to: "model/model.safetensors")
      }
      if value == "DATA" {
        value = try scratch.write(Tiny.rows().reversed().joined(separator: "\n") + "\n", to: "reversed.jsonl")
      }
      let run = try Program.treg(Tiny.rewards(scratch.path("out"), "--shard", "0/2", flag, value))
      #expect(run.exitCode == 65, "\(run.errors)")
      #expect(run.complaints.count == 1 && run.complaints[0].contains(reason), "\(run.errors)")
      #expect(run.complaints.first?.contains("shard-00000-of-00002.rewards") == true)
      #expect(try FinishedRun(scratch.path("out")).names() == before)
    }

    /// Scores of rounded weights are others: training takes only those of the weights that it would score with itself.
    @Test func rewardsOfOtherWeightsAreRefused() throws {
      let scratch = try Scratch()
      let rewards = scratch.path("rewards")
      let made = try Program.treg(Tiny.rewards(rewards, "--weights", "bf16"))
      try #require(made.exitCode == 0, "\(made.errors)")
      let manifest = try JSONValue(parsing: String(contentsOfFile: rewards + "/manifest.json", encoding: .utf8))
      #expect(manifest["identity"]?["weights"]?.string == "bfloat16")
      let refused = try Program.treg(Tiny.train(scratch.path("out"), "--rewards", rewards))
      #expect(refused.exitCode == 65 && refused.complaints.count == 1, "\(refused.errors)")
      #expect(
        refused.complaints.first?.contains(#"made with weights: "bfloat16", not "float32""#) == true,
        "\(refused.errors)")
      let taken = try Program.treg(
        Tiny.train(scratch.path("out"), "--rewards", rewards, "--weights", "bf16", "--overwrite"))
      #expect(taken.exitCode == 0, "\(taken.errors)")
    }

    @Test func damagedAndMissingShardsAreNamed() throws {
      let scratch = try Scratch()
      try make(scratch.path("rewards"), shards: 3)
      let file = scratch.path("rewards/shard-00001-of-00003.rewards")
      let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
      let train = Tiny.train(scratch.path("out"), "--rewards", scratch.path("rewards"))

      for damaged in [Array(bytes.dropLast(3)), bytes.dropLast() + [bytes.last! ^ 1], Array(bytes.prefix(9)), []] {
        try scratch.write(damaged, to: "rewards/shard-00001-of-00003.rewards")
        let run = try Program.treg(train + ["--overwrite"])
        #expect(run.exitCode == 65 && run.complaints.count == 1, "\(run.errors)")
        #expect(run.complaints.first?.contains("shard-00001-of-00003.rewards") == true, "\(run.errors)")
        let again = try Program.treg(Tiny.rewards(scratch.path("rewards"), "--shard", "1/3"))
        #expect(again.exitCode == 65 && again.complaints.count == 1, "\(again.errors)")
      }

      try FileManager.default.removeItem(atPath: file)
      for manifest in [true, false] {
        if !manifest { try FileManager.default.removeItem(atPath: scratch.path("rewards/manifest.json")) }
        let run = try Program.treg(train + ["--overwrite"])
        #expect(run.exitCode == 65 && run.complaints.count == 1, "\(run.errors)")
        #expect(run.complaints.first?.contains("treg rewards --shard 1/3") == true, "\(run.errors)")
        #expect(!exists(scratch.path("out/model.safetensors")))
      }
    }
  }
}
