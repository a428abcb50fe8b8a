import Foundation
import OrderedJSON
import Testing

extension EndToEndTests {
  /// Every objective, as users select it.
  @Suite(.serialized) struct ObjectiveRunTests {
    private static func run(
      _ scratch: Scratch, _ name: String, _ flags: [String], ranks: Int = 1
    ) throws -> (run: FinishedRun, errors: String) {
      let outcome = try Program.treg(Tiny.train(scratch.path(name), flags), ranks: ranks)
      try #require(outcome.exitCode == 0, "\(flags): \(outcome.errors)")
      return (FinishedRun(scratch.path(name)), outcome.errors)
    }

    /// Without `discopop`, whose loss has a hill where training starts and rises over it.
    @Test(
      arguments: [
        "sigmoid", "robust", "hinge", "ipo", "sigmoid_norm", "exo_pair", "apo_zero", "apo_down", "bco_pair", "nca_pair",
        "sppo_hard", "sft", "simpo", "cpo", "orpo", "tdpo1", "tdpo2", "sepo", "tis_dpo", "tgdpo", "d2po", "wpo",
      ])
    func theLossFalls(name: String) throws {
      let scratch = try Scratch()
      let smoothing = name == "exo_pair" ? ["--label-smoothing", "1e-3"] : []
      let finished = try Self.run(scratch, "out", ["--loss-type", name] + smoothing).run
      let losses = try finished.losses()
      #expect(losses.count == 10 && losses[9] < losses[0], "\(losses)")
      let line = try #require(finished.metrics().first)
      #expect((line["nll_loss"] != nil) == ["sft", "cpo", "orpo"].contains(name))
      #expect((line["kl/chosen"] != nil) == name.hasPrefix("tdpo"))
      #expect((line["wpo/weight"] != nil) == (name == "wpo"))
      #expect((line["rewards/margins"] != nil) == (name != "sft"))
    }

    @Test func discopopRuns() throws {
      let scratch = try Scratch()
      let losses = try Self.run(scratch, "out", ["--loss-type", "discopop", "--treg-alpha", "0"]).run.losses()
      // At z = 0: ½ ln 2 + ½.
      #expect(abs(losses[0] - (0.5 * 0.6931471805599453 + 0.5)) < 1e-5)
    }

    @Test func sumsAndTermsAdd() throws {
      let scratch = try Scratch()
      func first(_ name: String, _ flags: [String]) throws -> Double {
        try Self.run(scratch, name, flags + ["--treg-alpha", "0", "--max-steps", "1"]).run.losses()[0]
      }
      let dpo = try first("dpo", [])
      let sft = try first("sft", ["--loss-type", "sft"])
      let sum = try first("sum", ["--loss-type", "dpo", "sft", "--loss-weights", "1", "0.5"])
      let rpo = try first("rpo", ["--rpo-alpha", "0.5"])
      #expect(abs(sum - (dpo + 0.5 * sft)) < 1e-5 * sum && abs(rpo - sum) < 1e-9)
    }

    /// With the reference's vocabulary, on any number of ranks and in any micro-batches, held-out pairs too.
    @Test(.disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"), arguments: ["tdpo2", "tis_dpo"])
    func divergencesAreTheSameOnTwoRanks(name: String) throws {
      #expect(shimsAreBuilt)
      let scratch = try Scratch()
      let flags = [
        "--loss-type", name, "--eval-data", Tiny.held, "--eval-steps", "5", "--lr-scheduler-type", "constant",
      ]
      let more = name == "tis_dpo" ? ["--tis-kl", "0.5"] : []
      let solo = try Self.run(scratch, "solo", flags + more).run
      let ranks = try Self.run(scratch, "ranks", flags + more + ["--micro-batch-tokens", "64"], ranks: 2).run
      for (one, other) in try zip(
        solo.metrics() + solo.metrics(evaluation: true), ranks.metrics() + ranks.metrics(evaluation: true))
      {
        for key in ["loss", "kl/chosen", "kl/rejected", "eval_loss", "eval_kl/chosen"] {
          guard let a = one[key]?.double else { continue }
          let b = try #require(other[key]?.double)
          #expect(abs(a - b) <= 1e-4 * abs(a) + 1e-6, "\(key): \(a), \(b)")
        }
      }
      #expect(try solo.metrics().first?["kl/chosen"]?.double == 0, "policy and reference begin as one")
      #expect(try solo.metrics().last!["kl/chosen"]!.double! > 1e-4)
    }

    /// With adapters the reference is the model without them; no second copy of its weights is kept.
    @Test func adaptersAreTurnedOffForTheReference() throws {
      let scratch = try Scratch()
      let flags = ["--loss-type", "tdpo1"]
      let (whole, wholeErrors) = try Self.run(scratch, "whole", flags)
      let (adapted, errors) = try Self.run(scratch, "adapted", flags + ["--use-peft", "true", "--lora-r", "4"])
      #expect(wholeErrors.contains("\nreference "), "\(wholeErrors)")
      #expect(!errors.contains("\nreference ") && errors.contains("\nbeside it "), "\(errors)")
      for finished in [whole, adapted] {
        let losses = try finished.losses()
        #expect(losses[9] < losses[0])
        #expect(try finished.metrics().first?["kl/rejected"]?.double == 0)
        #expect(try finished.metrics().last!["kl/rejected"]!.double! > 0)
      }
    }

    @Test func rewardsOfADPOModel() throws {
      let scratch = try Scratch()
      let oracle = try Self.run(scratch, "oracle", ["--treg-alpha", "0"]).run.path
      let flags = ["--treg-rewards", "dpo", "--treg-reward-model", oracle]
      let line = try #require(Self.run(scratch, "out", flags + ["--save-steps", "5"]).run.metrics().first)
      // It has learned these very pairs.
      #expect(line["treg/reward_chosen"]!.double! > 0 && line["treg/reward_rejected"]!.double! < 0, "\(line.text())")
      // SePO's oracle.
      _ = try Self.run(scratch, "sepo", flags + ["--loss-type", "sepo"])
      // The same scores are known again, and not taken for others.
      let again = try Self.run(scratch, "again", flags + ["--rewards", scratch.path("out/rewards")]).errors
      #expect(again.contains("rows from \(scratch.path("out/rewards"))"))
      let other = try Program.treg(Tiny.train(scratch.path("other"), "--rewards", scratch.path("out/rewards")))
      #expect(other.exitCode == 65)
      #expect(other.complaints.last?.contains("made with the rewards of a model, not by contrastive prompts") == true)
      let jobs = try Program.treg(Tiny.rewards(scratch.path("job"), flags))
      #expect(jobs.exitCode == 0, "\(jobs.errors)")
      let taken = try Self.run(scratch, "taken", flags + ["--rewards", scratch.path("job")]).run
      #expect(try taken.losses() == FinishedRun(scratch.path("again")).losses())
    }

    @Test func controlsChangeWhatTheySay() throws {
      let scratch = try Scratch()
      var runs: [String: (chosen: Double, losses: [Double])] = [:]
      for kind in ["contrastive", "shuffled", "flipped", "constant"] {
        let finished = try Self.run(scratch, kind, ["--treg-rewards", kind, "--treg-alpha", "1", "--max-steps", "3"])
          .run
        runs[kind] = (
          try #require(finished.metrics().first?["treg/reward_chosen"]?.double), try finished.losses()
        )
      }
      let plain = try #require(runs["contrastive"])
      #expect(plain.chosen != 0)
      for kind in ["shuffled", "constant"] {
        #expect(abs(runs[kind]!.chosen - plain.chosen) < 1e-6, "\(kind)")
        #expect(runs[kind]!.losses != plain.losses, "\(kind)")
      }
      #expect(abs(runs["flipped"]!.chosen + plain.chosen) < 1e-9)
      let again = try Self.run(
        scratch, "again", ["--treg-rewards", "shuffled", "--treg-alpha", "1", "--max-steps", "3"]
      ).run
      #expect(try again.losses() == runs["shuffled"]!.losses, "the seed decides")
    }

    @Test(
      arguments: [
        (["--loss-type", "orpo", "--treg-alpha", "0.1"], "treg_alpha: orpo cannot be regularised by token rewards"),
        (["--loss-type", "exo_pair"], "label_smoothing: exo_pair needs a number above 0"),
        (["--loss-type", "aot"], "loss_type: aot orders the pairs of a whole batch"),
        (["--loss-type", "dpoo"], "loss_type: unknown objective \"dpoo\""),
      ])
    func whatDoesNotFitIsRefused(flags: [String], complaint: String) throws {
      let scratch = try Scratch()
      let outcome = try Program.treg(Tiny.train(scratch.path("out"), flags))
      #expect(outcome.exitCode == 78)
      #expect(outcome.complaints.count == 1 && outcome.complaints[0].contains(complaint), "\(outcome.errors)")
    }
  }
}
