import Configuration
import RunFolder
import Testing

@Suite struct RefusalTests {
  @Test(arguments: [
    ("beta: 0.1\nlerning_rate: 1e-6", "dpo.yaml:2: lerning_rate: unknown key; did you mean learning_rate?"),
    ("zzz: 1", "dpo.yaml:1: zzz: unknown key"),
    ("beta: -1", "dpo.yaml:1: beta: expected a number above 0, found \"-1\""),
    ("beta: nan", "dpo.yaml:1: beta: expected a number above 0, found \"nan\""),
    ("beta: 0x10", "dpo.yaml:1: beta: expected a number above 0, found \"0x10\""),
    ("beta: null", "dpo.yaml:1: beta: expected a number above 0, found null"),
    ("\n\nmax_length: 12.5", "dpo.yaml:3: max_length: expected a whole number above 1, found \"12.5\""),
    ("lr_scheduler_type: cosin", "expected cosine, linear, constant, constant_with_warmup, found \"cosin\""),
    ("label_smoothing: 0.5", "expected a number from 0 up to but not including 0.5"),
    ("model: [a, b]", "dpo.yaml:1: model: expected text, found [\"a\", \"b\"]"),
    (
      "data: {train: x}",
      "dpo.yaml:1: data: expected a file, a glob, a folder, org/name, or a list of them, found a mapping"
    ),
    ("beta: 1\nseed: 2\nbeta: 3", "dpo.yaml:3: beta: given twice, first in line 1"),
    ("model: a\nmodel_name_or_path: b", "dpo.yaml:2: model_name_or_path: given twice, first in line 1"),
    ("warmup-ratio: 0.2\nwarmup_ratio: 0.1", "dpo.yaml:2: warmup_ratio: given twice, first in line 1"),
    ("- a\n- b", "dpo.yaml:1: expected `key: value` lines"),
    ("beta: [1", "not YAML"),
    ("beta: 1\n\tseed: 2", "dpo.yaml:2: not YAML"),
    ("eval_steps: 5", "dpo.yaml:1: eval_steps: there is nothing to evaluate"),
    ("max_prompt_length: 2048", "dpo.yaml:1: max_prompt_length: expected less than max_length, 2048, found 2048"),
    ("loss_weights: [1, 2]", "dpo.yaml:1: loss_weights: expected 1 numbers"),
    ("treg_rewards: dpo", "dpo.yaml:1: treg_rewards: dpo needs treg_reward_model"),
    ("treg_reward_model: m", "dpo.yaml:1: treg_reward_model: it is read with treg_rewards: dpo alone"),
    ("treg_rewards: random", "expected contrastive, dpo, shuffled, flipped, constant, found \"random\""),
    ("ld_alpha: 1.5", "dpo.yaml:1: ld_alpha: expected a number from 0 to 1 or null, found \"1.5\""),
    ("tis_lower: 2", "dpo.yaml:1: tis_lower: expected at most tis_upper, 1.5, found 2.0"),
    ("loss_weights: 0", "dpo.yaml:1: loss_weights: expected one above 0"),
    (
      "use_dora: true",
      "dpo.yaml:1: use_dora: \"true\" has no meaning here: only plain low-rank adapters are offered here"
    ),
    ("eval_strategy: epoch", "set eval_steps"),
    ("save_strategy: best", "with metric_for_best_model the best checkpoint is kept beside the newest"),
    ("save_only_model: true", "checkpoints hold the optimizer's state, too"),
    (
      "per_device_train_batch_size: 4\ngradient_accumulation_steps: 8",
      "dpo.yaml:1: per_device_train_batch_size: batches are counted in pairs over all ranks here; set "
        + "global_batch_size to per_device_train_batch_size × gradient_accumulation_steps × processes "
        + "= 4 × 8 × processes (32 with one process)"
    ),
  ])
  func namesLineKeyAndExpectation(yaml: String, expected: String) {
    let (code, line) = failure(yaml)
    #expect(code == .configuration)
    #expect(line.contains(expected), "\(line)")
    #expect(!line.contains("\n"))
  }

  @Test(arguments: [
    (["--lerning-rate", "1"], ExitCode.usage, "unknown flag --lerning-rate; did you mean --learning-rate?"),
    (["--qqqqq", "1"], .usage, "unknown flag --qqqqq"),
    (["--beta"], .usage, "--beta needs a value: a number above 0"),
    (["--beta", "--seed", "1"], .usage, "--beta needs a value: a number above 0"),
    (["--virtual-ranks", "3"], .configuration, "--virtual-ranks: expected a power of two, found \"3\""),
    (["--reproducible", "maybe"], .configuration, "--reproducible: expected true or false, found \"maybe\""),
    (["pairs.jsonl"], .usage, "unexpected argument \"pairs.jsonl\"; flags start with --"),
    (["--beta", "fast"], .configuration, "--beta: expected a number above 0, found \"fast\""),
    (["--gradient_accumulation_steps", "8"], .configuration, "1 × 8 × processes"),
  ])
  func flagsAreRefused(flags: [String], code: ExitCode, expected: String) {
    let failed = failure(nil, flags)
    #expect(failed.code == code)
    #expect(failed.line.contains(expected), "\(failed.line)")
  }

  @Test func whatIsMissingIsNamed() {
    #expect(
      failure("model: m", requiring: ["model", "data"]).line.hasSuffix(".parquet, or org/name in the cache"))
    #expect(failure("model: m", requiring: ["model", "data"]).line.hasPrefix("dpo.yaml: data is missing"))
    #expect(failure(nil, [], requiring: ["model"]).code == .usage)
    #expect(throws: TregError.self) { try RunConfiguration.parse(file: "/nonexistent/x.yaml", flags: []) }
  }

  @Test func ownFlagsOfACommandAreSuggested() {
    #expect {
      try RunConfiguration.parse(file: nil, flags: ["--overwrit"], otherFlags: ["--overwrite"])
    } throws: { String(describing: $0).contains("--overwrite?") }
  }

  @Test func emptyFilesHoldNothing() throws {
    #expect(try parse("").configuration == parse("# nothing\n---\n").configuration)
  }

  @Test func deepFilesAreRefused() {
    #expect(failure("a: " + String(repeating: "[", count: 100_000)).code == .configuration)
  }
}
