import Foundation
import Testing

extension EndToEndTests {
  /// What a run's numbers and files say.
  @Suite(.serialized) struct LossTests {
    /// Policy and reference are one model before the first step.
    @Test(arguments: ["1", "3", "8", "24"], ["64", "150", "auto"])
    func theFirstLossOfDPOIsLn2(batch: String, microBatchTokens: String) throws {
      let scratch = try Scratch()
      let run = try Program.treg(
        Tiny.train(
          scratch.path("out"), "--treg-alpha", "0", "--lr-scheduler-type", "constant", "--global-batch-size", batch,
          "--micro-batch-tokens", microBatchTokens, "--max-steps", "2"))
      try #require(run.exitCode == 0, "\(run.errors)")
      let losses = try FinishedRun(scratch.path("out")).losses()
      #expect(losses.count == 2)
      #expect(abs(losses[0] - 0.6931471805599453) < 1e-5)
      #expect(abs(losses[1] - 0.6931471805599453) > 1e-4, "and then it moves")
    }

    @Test func simPONeedsNoScores() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let run = try Program.treg(
        Tiny.train(out, "--loss-type", "simpo", "--treg-alpha", "0", "--beta", "2.0", "--save-steps", "5"))
      try #require(run.exitCode == 0, "\(run.errors)")
      let losses = try FinishedRun(out).losses()
      #expect(losses.count == 10 && losses[9] < losses[0])
      #expect(!exists(out + "/rewards"), "nothing of the reference is computed")

      let regularized = try Program.treg(Tiny.train(scratch.path("reg"), "--loss-type", "simpo", "--beta", "2.0"))
      try #require(regularized.exitCode == 0, "\(regularized.errors)")
      #expect(exists(scratch.path("reg/rewards/manifest.json")))
    }

    @Test func heldOutPairsAreEvaluated() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let run = try Program.treg(Tiny.train(out, "--eval-data", Tiny.held, "--eval-steps", "4"))
      try #require(run.exitCode == 0, "\(run.errors)")
      let evaluations = try FinishedRun(out).metrics(evaluation: true)
      #expect(evaluations.compactMap { $0["step"]?.integer } == [0, 4, 8, 10])
      for line in evaluations {
        for name in ["eval_rewards/accuracies", "eval_rewards/margins", "eval_logps/chosen", "eval_logps/accuracies"] {
          #expect(line[name]?.double?.isFinite == true, "\(name) in \(line.text())")
        }
      }
      #expect(evaluations[0]["eval_rewards/margins"]!.double! < 1e-5)
      #expect(run.errors.contains("evaluation after step 10"), "people read them, too")
    }

    @Test(.disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"))
    func evaluationsAreTheSameOnMoreRanksThanRows() throws {
      #expect(shimsAreBuilt)
      let scratch = try Scratch()
      let few = try scratch.write(
        String(contentsOfFile: Tiny.held, encoding: .utf8).split(separator: "\n").prefix(2).joined(separator: "\n")
          + "\n",
        to: "few.jsonl")
      for (name, ranks) in [("solo", 1), ("ranks", 3)] {
        let run = try Program.treg(
          Tiny.train(
            scratch.path(name), "--data", few, "--eval-data", few, "--eval-steps", "3", "--max-steps", "3",
            "--global-batch-size", "2"), ranks: ranks)
        try #require(run.exitCode == 0, "\(run.errors)")
      }
      let solo = try FinishedRun(scratch.path("solo")).metrics(evaluation: true)
      let ranks = try FinishedRun(scratch.path("ranks")).metrics(evaluation: true)
      #expect(solo.count == 2 && ranks.count == 2)
      for (solo, ranks) in zip(solo, ranks) {
        let (one, other) = (try #require(solo["eval_loss"]?.double), try #require(ranks["eval_loss"]?.double))
        #expect(abs(one - other) <= 1e-4 * one)
      }
    }

    @Test func theTrainedFolderIsAModel() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let run = try Program.treg(Tiny.train(out))
      try #require(run.exitCode == 0, "\(run.errors)")
      #expect(run.output == out + "\n", "the result is the folder's path")
      for name in ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"] {
        #expect(
          FileManager.default.contentsEqual(atPath: out + "/" + name, andPath: Tiny.model + "/" + name),
          "\(name) is kept")
      }
      let (before, after) = (try FinishedRun(Tiny.model).weights(), try FinishedRun(out).weights())
      #expect(before.keys.sorted() == after.keys.sorted())
      #expect(before.allSatisfy { after[$0.key]?.count == $0.value.count && after[$0.key] != $0.value })
      #expect(
        try FinishedRun(out).names(in: "run") == [
          "config.yaml", "errors", "lock", "logs", "metrics.jsonl", "run.json", "status.json",
        ])
      let status = try String(contentsOfFile: out + "/run/status.json", encoding: .utf8)
      #expect(status.contains("\"done\""))
      // It can be trained again, by the saved configuration.
      let again = try Program.treg(
        [
          "train", "--config", out + "/run/config.yaml", "--model", out, "--out", scratch.path("again"), "--max-steps",
          "1",
        ])
      #expect(again.exitCode == 0, "\(again.errors)")
    }
  }
}
