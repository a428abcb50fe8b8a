/// Keys of TRL and transformers that are no keys here.
///
/// Those that change nothing about the result are ignored and said once. Those that would change it are refused,
/// with the way to say it here, unless their value is the one that holds here anyway.
enum ForeignKeys {
  enum Verdict: Equatable {
    case ignored
    case refused(String)
  }

  /// nil when the name is foreign to TRL, too.
  static func verdict(on name: String, _ value: ConfigurationValue) -> Verdict? {
    if ignored.contains(name) || ignoredPrefixes.contains(where: name.hasPrefix) { return .ignored }
    guard let (accepted, advice) = conditional[name] else { return nil }
    if case .text(let text) = value {
      return accepted.contains(text.lowercased()) ? .ignored : .refused(advice)
    }
    return value.isNull ? .ignored : .refused(advice)
  }

  static var names: [String] { ignored.sorted() + conditional.keys.sorted() }

  private static let ignoredPrefixes = [
    "dataloader_", "ddp_", "hub_", "fsdp", "deepspeed", "torch_compile", "trackio_", "bnb_4bit_",
    "gradient_checkpointing", "activation_", "log_level", "push_to_hub", "use_liger", "liger_",
  ]

  private static let ignored: Set<String> = [
    "bf16", "fp16", "tf32", "bf16_full_eval", "fp16_full_eval", "attn_implementation",
    "use_flash_attention_2", "report_to", "run_name", "project", "logging_dir", "logging_first_step",
    "logging_nan_inf_filter", "log_on_each_node", "save_on_each_node", "disable_tqdm", "remove_unused_columns",
    "label_names", "per_device_eval_batch_size", "eval_accumulation_steps", "auto_find_batch_size",
    "average_tokens_across_devices", "torch_empty_cache_steps", "skip_memory_metrics", "include_for_metrics",
    "include_num_input_tokens_seen", "batch_eval_metrics", "prediction_loss_only", "eval_do_concat_batches",
    "eval_use_gather_object", "length_column_name", "full_determinism", "use_cpu", "no_cuda", "local_rank",
    "accelerator_config", "parallelism_config", "do_train", "do_eval", "do_predict", "overwrite_output_dir",
    "model_init_kwargs", "ref_model_init_kwargs", "model_revision", "trust_remote_code", "disable_dropout",
    "dataset_num_proc", "preprocessing_num_workers", "dataset_config",
    "dataset_streaming", "padding_free", "pad_to_multiple_of", "padding_value", "pad_token", "label_pad_token_id",
    "precompute_ref_log_probs", "precompute_ref_batch_size", "use_logits_to_keep", "use_cache", "ignore_bias_buffers",
    "enable_jit_checkpoint", "restore_callback_states_from_checkpoint", "save_safetensors", "router_aux_loss_coef",
    "lora_task_type", "debug",
    // They say how something is done that is refused itself.
    "f_alpha_divergence_coef", "ref_model_mixup_alpha",
    "ref_model_sync_steps", "use_bnb_nested_quant",
  ]

  /// The values that mean what is done here in any case, and what to do about any other.
  private static let conditional: [String: (accepted: Set<String>, advice: String)] = [
    "eval_strategy": (["steps", "no"], "set eval_steps to a number of steps"),
    "evaluation_strategy": (["steps", "no"], "set eval_steps to a number of steps"),
    "save_strategy": (
      ["steps", "no"],
      "set save_steps to a number of steps; with metric_for_best_model the best checkpoint is kept beside the newest"
    ),
    "logging_strategy": (["steps"], "set logging_steps to a number of steps"),
    "eval_on_start": (["false"], "run `treg evaluate` on the starting model"),
    "eval_delay": (["0"], "evaluations start with the first step here; remove the key"),
    "resume_from_checkpoint": (["false"], "give --resume or --resume CHECKPOINT on the command line"),
    "save_only_model": (
      ["false"], "checkpoints hold the optimizer's state, too, so that every one resumes; remove the key"
    ),
    "optim": (
      ["adamw_torch", "adamw_torch_fused", "adamw_hf", "adamw"], "AdamW is the only optimizer here; remove the key"
    ),
    "optim_args": ([], "set adam_beta1, adam_beta2, adam_epsilon and weight_decay instead"),
    "optim_target_modules": ([], "AdamW steps all that trains here; remove the key"),
    "ignore_data_skip": (["false"], "a resumed run goes on with the rows that follow; remove the key"),
    "lr_scheduler_kwargs": (["{}"], "schedules take no further arguments here; remove the key"),
    "truncation_mode": (
      ["keep_start"], "what is too long is cut at its right here; set max_prompt_length to cut prompts at their left"
    ),
    "max_completion_length": ([], "set max_length and max_prompt_length instead"),
    "label_smoothing_factor": (["0", "0.0"], "set label_smoothing instead"),
    "f_divergence_type": (["reverse_kl", "fdivergencetype.reverse_kl"], "only reverse_kl is offered here"),
    "reference_free": (["false"], "use loss_type: simpo, which needs no reference"),
    "sync_ref_model": (["false"], "the reference is the starting model always; remove the key"),
    "neftune_noise_alpha": ([], "embedding noise is not offered here; remove the key"),
    "lora_dropout": (["0", "0.0"], "adapters have no dropout here; set it to 0"),
    "lora_modules_to_save": ([], "adapters train alone here; remove the key"),
    "lora_target_parameters": ([], "set lora_target_modules instead"),
    "use_dora": (["false"], "only plain low-rank adapters are offered here; remove the key"),
    "load_in_8bit": (["false"], "weights are trained in float32 here; remove the key"),
    "load_in_4bit": (["false"], "weights are trained in float32 here; remove the key"),
    "data_seed": ([], "set seed, which orders the rows"),
    "train_sampling_strategy": (["random"], "rows are shuffled here; remove the key"),
    "group_by_length": (["false"], "batches are cut by tokens here; remove the key"),
  ]
}
