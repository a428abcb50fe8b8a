/// A heading and the keys below it, as help and saved files show them.
struct ConfigurationSection: Sendable {
  let title: String
  let keys: [ConfigurationKey]
}

extension ConfigurationKey {
  static var all: [ConfigurationKey] { sections.flatMap(\.keys) }

  /// The one table of keys. The YAML reader, flags, help, saved files and the check on resuming follow it.
  static let sections: [ConfigurationSection] = [
    inputs, objective, losses, adapters, rows, batches, optimizer, guards, reports, machine,
  ]

  private static let inputs = ConfigurationSection(
    title: "Inputs and output",
    keys: [
      ConfigurationKey(
        "model", \.model, .text, aliases: ["model_name_or_path"], .content,
        "a folder, a GGUF file, or org/name in the local Hugging Face cache"),
      ConfigurationKey(
        "reference", \.reference, .orNull(.text), aliases: ["reference_model", "ref_model"], .content,
        "another model as the reference; null: the starting model"),
      ConfigurationKey(
        "data", \.data, .texts("a file, a glob, a folder, org/name, or a list of them"),
        aliases: ["dataset_name", "data_path", "dataset", "train_file"], .content,
        "preference pairs: files, globs or folders of .jsonl, .json (plain, .gz, .zst) or .parquet, or org/name in the cache"
      ),
      ConfigurationKey(
        "eval_data", \.evalData, .texts("a file, a glob, a list of them, or null", mayBeEmpty: true),
        aliases: ["eval_dataset", "eval_data_path"], .free, "held-out pairs, named as data"),
      ConfigurationKey(
        "data_split", \.dataSplit, .orNull(.text), aliases: ["dataset_train_split", "dataset_split"], .content,
        "the split of folders and org/name; null: train, or their only one"),
      ConfigurationKey(
        "eval_split", \.evalSplit, .orNull(.text), aliases: ["dataset_test_split"], .free,
        "the split of eval_data; without eval_data, of data"),
      ConfigurationKey(
        "rewards", \.rewards, .orNull(.text), .content, "a folder of finished token rewards; null: make them first"),
      ConfigurationKey(
        "weights", \.weights, .numberType, aliases: ["dtype", "torch_dtype"], .trajectory,
        "weights in memory: float32; bfloat16 (bf16) or float16 (fp16) in half the room, with float32 arithmetic and masters; auto: as stored"
      ),
      ConfigurationKey("out", \.out, .text, aliases: ["output_dir"], .free, "the run's folder"),
    ])

  private static let objective = ConfigurationSection(
    title: "Objective",
    keys: [
      ConfigurationKey(
        "loss_type", \.lossType, .texts("the name of a loss or a list of names"), .trajectory,
        "dpo (or sigmoid), simpo and all others of docs/OBJECTIVES.md; a list is summed with loss_weights"),
      ConfigurationKey(
        "loss_weights", \.lossWeights,
        .orNull(.numbers("a list of numbers of at least 0, one for each loss_type") { $0 >= 0 }), .trajectory,
        "the weight of each loss; null: 1 each"),
      ConfigurationKey(
        "beta", \.beta, .number("a number above 0") { $0 > 0 }, .trajectory, "the scale of implicit rewards"),
      ConfigurationKey(
        "label_smoothing", \.labelSmoothing,
        .number("a number from 0 up to but not including 0.5") { $0 >= 0 && $0 < 0.5 }, .trajectory,
        "the probability that a pair is the wrong way round"),
      ConfigurationKey(
        "gamma_beta_ratio", \.gammaBetaRatio, .number("a number of at least 0") { $0 >= 0 }, .trajectory,
        "SimPO's margin in units of beta"),
      ConfigurationKey(
        "treg_alpha", \.tregAlpha, .orNull(.number("a number of at least 0") { $0 >= 0 }), .trajectory,
        "the weight of token-level reward regularisation; 0: the plain loss; null: 0.25 where the loss takes it"),
      ConfigurationKey(
        "treg_weight", \.tregWeight, .choice, .trajectory,
        "dynamic: regularisation fades as a pair is ranked rightly; static: it does not"),
      ConfigurationKey(
        "treg_rewards", \.tregRewards, .choice, .trajectory,
        "token rewards from contrastive prompts or a dpo model; shuffled, flipped and constant are controls"),
      ConfigurationKey(
        "treg_reward_model", \.tregRewardModel, .orNull(.text), .content, "the model of treg_rewards: dpo"),
      ConfigurationKey(
        "treg_template", \.tregTemplate, .text, .trajectory,
        "contrastive prompts: turn, revise, system, suffix, or a file"),
    ])

  private static let adapters = ConfigurationSection(
    title: "Adapters",
    keys: [
      ConfigurationKey(
        "use_peft", \.usePeft, .flag, .trajectory, "true: low-rank adapters train, and the weights stay as they are"),
      ConfigurationKey(
        "lora_r", \.loraRank, .orNull(.integer("a whole number above 0") { $0 > 0 }), aliases: ["lora_rank"],
        .trajectory, "the rank of the adapters; null: 16, or that of the adapter that model names"),
      ConfigurationKey(
        "lora_alpha", \.loraAlpha, .orNull(.number("a number above 0") { $0 > 0 }), .trajectory,
        "adapters count lora_alpha / lora_r; null: 32, or as the adapter that model names"),
      ConfigurationKey(
        "lora_target_modules", \.loraTargetModules,
        .texts("names of modules, all-linear, or null", mayBeEmpty: true), .trajectory,
        "the adapted projections; null: queries and values, as PEFT does, or as the adapter that model names"),
      ConfigurationKey(
        "use_rslora", \.useRSLoRA, .flag, .trajectory, "true: adapters count lora_alpha / √lora_r"),
    ])

  private static let rows = ConfigurationSection(
    title: "Rows",
    keys: [
      ConfigurationKey(
        "max_length", \.maxLength, .integer("a whole number above 1") { $0 > 1 }, .trajectory,
        "tokens of a prompt and its response together; more are cut"),
      ConfigurationKey(
        "max_prompt_length", \.maxPromptLength, .orNull(.integer("a whole number above 0") { $0 > 0 }), .trajectory,
        "tokens that the prompt of a pair that is too long is cut to, at its left"),
      ConfigurationKey(
        "bad_rows", \.badRows, .choice, .trajectory, "error: a bad row ends the run; skip: it is left out and counted"),
    ])

  private static let batches = ConfigurationSection(
    title: "Batches and length",
    keys: [
      ConfigurationKey(
        "global_batch_size", \.globalBatchSize, .integer("a whole number above 0") { $0 > 0 }, .trajectory,
        "pairs of one optimizer step, whatever the number of ranks"),
      ConfigurationKey(
        "micro_batch_tokens", \.microBatchTokens, .automaticCount, .rounding, "tokens that a rank computes at once"),
      ConfigurationKey(
        "recompute", \.recompute, .flag, .free,
        "true: the backward pass makes activations again, for less memory and the same bits"),
      ConfigurationKey(
        "num_train_epochs", \.numTrainEpochs, .number("a number above 0") { $0 > 0 }, .length,
        "passes over the data; fractions count"),
      ConfigurationKey(
        "max_steps", \.maxSteps, .integer("-1 or a whole number above 0") { $0 == -1 || $0 > 0 }, .length,
        "optimizer steps, in place of epochs; -1: by epochs"),
    ])

  private static let optimizer = ConfigurationSection(
    title: "Optimizer",
    keys: [
      ConfigurationKey(
        "learning_rate", \.learningRate, .number("a number of at least 0") { $0 >= 0 }, .trajectory,
        "the highest learning rate"),
      ConfigurationKey(
        "lr_scheduler_type", \.schedule, .choice, .trajectory, "cosine, linear, constant or constant_with_warmup"),
      ConfigurationKey(
        "warmup_ratio", \.warmupRatio, .orNull(.number("a number from 0 to 1") { $0 >= 0 && $0 <= 1 }), .trajectory,
        "the share of steps in which the rate rises from 0"),
      ConfigurationKey(
        "warmup_steps", \.warmupSteps, .orNull(.integer("a whole number of at least 0") { $0 >= 0 }), .trajectory,
        "those steps as a number, in place of warmup_ratio; below 1: their share"),
      ConfigurationKey(
        "weight_decay", \.weightDecay, .number("a number of at least 0") { $0 >= 0 }, .trajectory,
        "AdamW's decay of matrices; norms and biases have none"),
      ConfigurationKey(
        "adam_beta1", \.adamBeta1, .number("a number from 0 up to but not including 1") { $0 >= 0 && $0 < 1 },
        .trajectory, "AdamW's β₁"),
      ConfigurationKey(
        "adam_beta2", \.adamBeta2, .number("a number from 0 up to but not including 1") { $0 >= 0 && $0 < 1 },
        .trajectory, "AdamW's β₂"),
      ConfigurationKey(
        "adam_epsilon", \.adamEpsilon, .number("a number above 0") { $0 > 0 }, .trajectory, "AdamW's ε"),
      ConfigurationKey(
        "max_grad_norm", \.maxGradNorm, .number("a number of at least 0") { $0 >= 0 }, .trajectory,
        "gradients are scaled down to this global norm; 0: never"),
    ])

  private static let guards = ConfigurationSection(
    title: "Guards",
    keys: [
      ConfigurationKey(
        "max_skipped_steps", \.maxSkippedSteps, .integer("a whole number above 0") { $0 > 0 }, .free,
        "so many steps in a row whose gradient is not finite, or a spike, end the run; fewer are skipped"),
      ConfigurationKey(
        "spike_factor", \.spikeFactor, .orNull(.number("a number above 1") { $0 > 1 }), .trajectory,
        "a gradient norm above so many times the median of the last 64 steps is a spike, and its step skipped; null: none is"
      ),
      ConfigurationKey(
        "check_weights_steps", \.checkWeightsSteps, .integer("a whole number of at least 0") { $0 >= 0 }, .free,
        "steps from one comparison of all ranks' weights to the next; 0: they are never compared"),
    ])

  private static let reports = ConfigurationSection(
    title: "Reports and checkpoints",
    keys: [
      ConfigurationKey(
        "logging_steps", \.loggingSteps, .integer("a whole number above 0") { $0 > 0 }, .free,
        "steps from one line of metrics to the next"),
      ConfigurationKey(
        "eval_steps", \.evalSteps, .orNull(.integer("a whole number above 0") { $0 > 0 }), .free,
        "steps from one evaluation to the next; null: none on the way"),
      ConfigurationKey(
        "save_steps", \.saveSteps, .orNull(.integer("a whole number above 0") { $0 > 0 }), .free,
        "steps from one checkpoint to the next; null: none on the way"),
      ConfigurationKey(
        "save_total_limit", \.saveTotalLimit, .orNull(.integer("a whole number above 0") { $0 > 0 }), .free,
        "checkpoints that are kept; null: all. The newest and the best are kept always"),
      ConfigurationKey(
        "save_async", \.saveAsync, .flag, .free,
        "true: training goes on while a checkpoint is written, for the memory of a copy"),
      ConfigurationKey(
        "metric_for_best_model", \.metricForBestModel, .orNull(.text), .free,
        "what checkpoints are compared by, such as eval_loss or eval_rewards/accuracies; the best is kept"),
      ConfigurationKey(
        "greater_is_better", \.greaterIsBetter, .orNull(.flag), .free,
        "whether the best has the greatest metric; null: unless its name ends in loss"),
      ConfigurationKey(
        "load_best_model_at_end", \.loadBestModelAtEnd, .flag, .free,
        "true: the trained model is the best checkpoint's (by eval_loss unless metric_for_best_model is given)"),
      ConfigurationKey(
        "save_dtype", \.saveType, .numberType, .free, "float32, bfloat16 or float16: the weights of the trained model"),
      ConfigurationKey(
        "max_shard_size", \.maxShardSize, .size, .free, "weights beyond this size are written to several files"),
    ])

  private static let machine = ConfigurationSection(
    title: "Machine",
    keys: [
      ConfigurationKey(
        "seed", \.seed, .integer("a whole number of at least 0") { $0 >= 0 }, .trajectory, "the order of rows"),
      ConfigurationKey(
        "profile", \.profile, .flag, .free, "true: run/trace.json shows what each rank did when, of the first 100 steps"
      ),
      ConfigurationKey("threads", \.threads, .automaticCount, .free, "threads of a rank"),
      ConfigurationKey(
        "gradient_exchange", \.gradientExchange, .choice, .free,
        "reduce_scatter: each rank steps its own part; all_reduce: every rank steps all"),
      ConfigurationKey(
        "reproducible", \.reproducible, .flag, .rounding,
        "true: the same bits on 1, 2, 4, … virtual_ranks ranks and any threads, for more memory and time"),
      ConfigurationKey(
        "virtual_ranks", \.virtualRanks, .integer("a power of two") { $0 > 0 && $0 & ($0 - 1) == 0 }, .rounding,
        "shares that a batch is divided into and summed by when runs are reproducible: the most ranks there can be"),
      ConfigurationKey(
        "wire", \.wire, .numberType, .trajectory,
        "gradients between hosts: float32; bfloat16 (bf16) is half the bytes, every summand rounded once, sums in float32"
      ),
    ])
}
