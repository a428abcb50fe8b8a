import Configuration
import RunFolder
import Testing

@Suite struct RunConfigurationTests {
  /// The example that users start from, with the values that are its defaults.
  static let example = """
    model: HuggingFaceTB/SmolLM2-135M-Instruct
    data: pairs.jsonl
    eval_data: held_out.jsonl
    out: runs/first
    loss_type: dpo             # dpo ("sigmoid" accepted), simpo, …; a list with loss_weights sums
    beta: 0.1
    treg_alpha: null           # 0.25 where the loss takes it; 0: the plain loss
    treg_template: turn        # a name or a file
    rewards: null              # a folder of finished rewards; null: make them first
    global_batch_size: 128     # pairs, whatever the number of ranks
    micro_batch_tokens: auto
    learning_rate: 5e-7        # numbers as people write them, not as YAML 1.1 reads them
    lr_scheduler_type: cosine
    warmup_ratio: 0.1
    num_train_epochs: 1
    max_steps: -1
    weight_decay: 0.0
    max_grad_norm: 1.0
    max_length: 2048
    max_prompt_length: null
    bad_rows: error            # or skip, counted
    logging_steps: 1
    eval_steps: null
    save_steps: null
    save_total_limit: 2
    seed: 42
    """

  @Test func theExampleSaysTheDefaults() throws {
    let long = try parse(Self.example, requiring: ["model", "data", "out"]).configuration
    let short = try parse(
      "model: HuggingFaceTB/SmolLM2-135M-Instruct\ndata: pairs.jsonl\neval_data: held_out.jsonl\nout: runs/first\n"
    ).configuration
    #expect(long == short)
    #expect(long.learningRate == 5e-7 && long.lossType == ["dpo"] && long.maxPromptLength == nil)
    #expect(long.warmupRatio == 0.1 && long.warmupSteps == nil && long.microBatchTokens == .automatic)
  }

  @Test func flagsCountOverTheFile() throws {
    let flags = [
      "--learning-rate", "1e-6", "--loss_type=simpo", "--data", "a.jsonl", "b.jsonl", "--eval-data=c", "--beta", "2",
      "--beta", "3", "--max-steps", "-1", "--rewards", "null", "--threads", "2",
    ]
    let configuration = try parse(Self.example + "\nreference: old", flags)
      .configuration
    #expect(configuration.learningRate == 1e-6 && configuration.lossType == ["simpo"])
    #expect(configuration.data == ["a.jsonl", "b.jsonl"] && configuration.evalData == ["c"])
    #expect(configuration.beta == 3 && configuration.rewards == nil && configuration.reference == "old")
    #expect(configuration.threads == .count(2) && configuration.tregAlpha == nil)
  }

  @Test func namesOfTRLAreUnderstood() throws {
    let parsed = try parse(
      """
      model_name_or_path: m
      dataset_name: d
      output_dir: o
      loss_type: [sigmoid, simpo]
      loss_weights: [1, 0.5]
      bf16: true
      report_to: none
      gradient_checkpointing_kwargs: {use_reentrant: false}
      dataloader_num_workers: 4
      eval_strategy: "no"
      warmup_steps: 0
      """, ["--no_cuda", "--bf16"])
    let configuration = parsed.configuration
    #expect(configuration.model == "m" && configuration.data == ["d"] && configuration.out == "o")
    #expect(configuration.lossType == ["dpo", "simpo"] && configuration.lossWeights == [1, 0.5])
    #expect(configuration.warmupRatio == nil && configuration.warmupSteps == 0)
    #expect(
      parsed.ignored == [
        "bf16", "report_to", "gradient_checkpointing_kwargs", "dataloader_num_workers", "eval_strategy", "no_cuda",
      ])
    #expect(parsed.place(of: "model").hasSuffix("dpo.yaml:1: model_name_or_path"))
    #expect(parsed.place(of: "seed") == "seed")
  }

  /// Configurations that TRL 1.16 writes out hold every key; those that say nothing else than what is done here are taken.
  @Test(arguments: [
    "ignore_data_skip: false", "debug: ''",
    "optim_target_modules: null", "truncation_mode: keep_start", "f_alpha_divergence_coef: 0.5",
    "ref_model_mixup_alpha: 0.6", "ref_model_sync_steps: 512", "lora_target_parameters: null",
    "use_bnb_nested_quant: false", "f_divergence_type: reverse_kl", "train_sampling_strategy: random",
  ])
  func defaultsOfTRLAreTaken(line: String) throws {
    #expect(try parse(line).ignored == [String(line.prefix { $0 != ":" })])
  }

  @Test func adaptersThatNobodyMakesAreMentioned() throws {
    let lines = "lora_r: 4\nlora_alpha: 8\nlora_target_modules: [q_proj]\nuse_rslora: true\n"
    #expect(try parse(lines + "use_peft: true").ignored == [])
    #expect(
      try parse(lines).ignored
        == ["lora_r", "lora_alpha", "lora_target_modules", "use_rslora"].map { "\($0) without use_peft" })
    #expect(try parse("lora_r: null\nuse_rslora: false").ignored == [])
  }

  @Test(arguments: ["truncation_mode: keep_end", "ignore_data_skip: true", "lora_target_parameters: [x]"])
  func whatWouldChangeTheRunIsRefused(line: String) {
    #expect(failure(line).line.contains("has no meaning here"))
  }

  @Test func numberFormatsAndSizesAreReadAsPeopleWriteThem() throws {
    for (text, type) in [("bf16", "bfloat16"), ("float16", "float16"), ("torch.float32", "float32"), ("auto", "auto")] {
      #expect(try parse("torch_dtype: \(text)").configuration.weights.rawValue == type)
      #expect(try parse(nil, ["--dtype", text]).configuration.weights.rawValue == type)
    }
    #expect(try parse("save_dtype: fp16").configuration.saveType == .float16)
    #expect(failure("weights: int8").line.contains("expected float32, bfloat16, float16, auto"))
    for (text, bytes) in [("5GB", 5_000_000_000), ("1.5 MB", 1_500_000), ("200kb", 200_000), ("12345", 12_345)] {
      let configuration = try parse("model: m\ndata: d\nout: o\nmax_shard_size: \(text)").configuration
      #expect(configuration.maxShardSize == bytes)
      #expect(try parse(configuration.yamlText).configuration == configuration)
    }
    for text in ["0", "-1GB", "GB", "1e30GB", "nan"] {
      #expect(failure("max_shard_size: \(text)").code == .configuration, "\(text)")
    }
  }

  @Test func theMarginOfSimPOBecomesARatio() throws {
    #expect(try parse("simpo_gamma: 3\nbeta: 10").configuration.gammaBetaRatio == 0.3)
    #expect(try parse("gamma_beta_ratio: 0.5\nbeta: 10", ["--simpo-gamma", "3"]).configuration.gammaBetaRatio == 0.3)
    #expect(try parse("simpo_gamma: 3", ["--gamma_beta_ratio", "0.7"]).configuration.gammaBetaRatio == 0.7)
    #expect(failure("simpo_gamma: 3\ngamma_beta_ratio: 0.3").code == .configuration)
  }

  @Test func warmUpIsGivenInOneWay() throws {
    let steps = try parse("warmup_ratio: 0.2", ["--warmup_steps", "7"]).configuration
    #expect(steps.warmupSteps == 7 && steps.warmupRatio == nil)
    let ratio = try parse("warmup_steps: 7", ["--warmup_ratio", "0.3"]).configuration
    #expect(ratio.warmupSteps == nil && ratio.warmupRatio == 0.3)
    #expect(try parse("lr_scheduler_type: constant").configuration.warmupRatio == 0)
    // 0 is transformers' default, which leaves a ratio alone, and says by itself that there is no warm-up.
    for (text, ratio, count) in [
      ("warmup_steps: 0", nil, 0), ("warmup_ratio: 0.2\nwarmup_steps: 0", 0.2, nil), ("warmup_steps: 0.2", 0.2, nil),
      ("warmup_ratio: null\nwarmup_steps: 0", nil, 0), ("seed: 1", 0.1, nil),
    ] as [(String, Double?, Int?)] {
      let configuration = try parse("model: m\ndata: d\nout: o\n" + text).configuration
      #expect(configuration.warmupRatio == ratio && configuration.warmupSteps == count, "\(text)")
      #expect(try parse(configuration.yamlText).configuration == configuration, "\(text)")
    }
    #expect(try parse("warmup_steps: 0.2", ["--warmup-steps", "7"]).configuration.warmupSteps == 7)
    #expect(try parse("warmup_steps: 0.2", ["--warmup-ratio", "0.3"]).configuration.warmupRatio == 0.3)
    #expect(try parse("warmup_steps: 7", ["--warmup-steps", "0.2"]).configuration.warmupRatio == 0.2)
    #expect(failure("warmup_ratio: 0.2\nwarmup_steps: 0.1").line.hasPrefix("dpo.yaml:2: warmup_steps"))
    #expect(failure("warmup_steps: 1.5").line.contains("expected a whole number of at least 0"))
    #expect(failure("warmup_ratio: 0.2\nwarmup_steps: 7").line.hasPrefix("dpo.yaml:2: warmup_steps"))
    #expect(failure("lr_scheduler_type: constant\nwarmup_steps: 7").line.contains("constant_with_warmup"))
  }

  @Test(arguments: [
    ("model: m\ndata: d\nout: o", [String]()),
    (
      "model: \"a: b # c\\n\"\ndata: ['null', \"x, y\", ü*.jsonl]\nout: ~/runs/'1'\nreference: \"true\"\nlearning_rate: 1e-12\n"
        + "beta: 0.30000000000000004\nwarmup_steps: 10\nsave_total_limit: null\nloss_type: [dpo, simpo]\n"
        + "loss_weights: [1, 2.5]\nadam_epsilon: 1e22\n", ["--micro_batch_tokens", "4096", "--save_dtype", "bfloat16"]
    ),
    (
      example,
      ["--lr_scheduler_type", "constant", "--warmup_ratio", "0", "--gradient_exchange", "all_reduce", "--wire", "bf16"]
    ),
  ])
  func savedTextGivesTheSameValue(yaml: String, flags: [String]) throws {
    let configuration = try parse(yaml, flags).configuration
    #expect(try parse(configuration.yamlText).configuration == configuration, "\(configuration.yamlText)")
  }

  @Test func helpNamesEveryKeyWithItsDefault() {
    #expect(RunConfiguration.keysHelp.contains("--learning-rate"))
    #expect(RunConfiguration.keysHelp.contains("[5.0e-7]"))
    #expect(!RunConfiguration.keysHelp.contains("_length"))
  }

  /// As the flags of a program are, `--reproducible` alone says true.
  @Test func switchesNeedNoValue() throws {
    for (flags, value) in [
      (["--reproducible"], true), (["--reproducible", "--seed", "1"], true), (["--reproducible", "false"], false),
      (["--reproducible=true"], true), ([], false),
    ] {
      #expect(try parse(Self.example, flags).configuration.reproducible == value, "\(flags)")
    }
  }

  /// How sums are ordered matters to runs that promise their bits, and to no others.
  @Test func resumingComparesTheOrderOfSumsOfReproducibleRuns() throws {
    let other = ["--virtual-ranks", "4", "--micro-batch-tokens", "64", "--threads", "3"]
    let plain = try parse(Self.example).configuration
    #expect(try parse(Self.example, other).configuration.differences(fromSaved: plain) == [])
    let saved = try parse(Self.example, ["--reproducible"]).configuration
    #expect(
      try parse(Self.example, other + ["--reproducible"]).configuration.differences(fromSaved: saved) == [
        "micro_batch_tokens: auto in the checkpoint, 64 now", "virtual_ranks: 8 in the checkpoint, 4 now",
      ])
    #expect(plain.differences(fromSaved: saved) == ["reproducible: \"true\" in the checkpoint, \"false\" now"])
    #expect([1, 2, 8].map(saved.gradientBuffers) == [4, 3, 1] && plain.gradientBuffers(ranks: 1) == 1)
  }

  @Test func resumingComparesWhatBendsTheCourse() throws {
    let saved = try parse(Self.example).configuration
    let free = try parse(
      Self.example, ["--out", "x", "--data", "y", "--logging_steps", "5", "--threads", "2", "--save-steps", "3"]
    ).configuration
    #expect(free.differences(fromSaved: saved) == [])
    let bent = try parse(Self.example, ["--learning-rate", "1e-6", "--max-steps", "50", "--seed", "1"]).configuration
    #expect(
      bent.differences(fromSaved: saved) == [
        "max_steps: -1 in the checkpoint, 50 now", "learning_rate: 5.0e-7 in the checkpoint, 1.0e-6 now",
        "seed: 42 in the checkpoint, 1 now",
      ])
    let constant = ["--lr_scheduler_type", "constant", "--warmup_ratio", "0"]
    let short = try parse(Self.example, constant + ["--max_steps", "5"]).configuration
    let longer = try parse(Self.example, constant + ["--max_steps", "9"]).configuration
    #expect(longer.differences(fromSaved: short) == [])
  }
}
