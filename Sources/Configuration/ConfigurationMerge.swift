import RunFolder

/// A configuration while layers of settings are laid over each other: the file, then flags.
struct ConfigurationMerge {
  private(set) var configuration = RunConfiguration()
  private(set) var ignored: [String] = []
  /// The setting that gave each key its value, by the key's name.
  private(set) var given: [String: Setting] = [:]
  /// SimPO's γ itself, which becomes a ratio when β is known.
  private var margin: Double?
  /// The share of steps that transformers 5 takes a `warmup_steps` below 1 for; it becomes a ratio.
  private var warmupShare: Double?

  /// Pairs of keys that say one thing in two ways. A later layer that sets one silences the other; one layer that
  /// sets both is refused.
  private static let rivals = [("warmup_ratio", "warmup_steps"), ("gamma_beta_ratio", KnownNames.margin)]

  /// - Parameter earlier: the settings of the layers below, which complete messages.
  mutating func apply(_ settings: [Setting], over earlier: [Setting]) throws {
    try Self.refuseBatchParts(settings, earlier)
    for setting in settings {
      if let key = setting.key {
        try set(key, setting)
      } else if setting.name == KnownNames.margin {
        try setMargin(setting)
      } else {
        try handleForeign(setting)
      }
    }
    let names = Set(settings.map { $0.key?.name ?? $0.name })
    for (first, second) in Self.rivals { try settle(first, second, names) }
  }

  private mutating func set(_ key: ConfigurationKey, _ setting: Setting) throws {
    if key.name == "warmup_steps" {
      warmupShare = ValueKind<Double>.number("") { $0 > 0 && $0 < 1 }.read(setting.value)
      if warmupShare != nil {
        given[key.name] = setting
        return
      }
    }
    guard key.set(&configuration, setting.value) else {
      throw setting.error("expected \(key.expectation), found \(setting.value.shown)")
    }
    given[key.name] = setting
  }

  private mutating func setMargin(_ setting: Setting) throws {
    let kind = ValueKind<Double>.number("a number of at least 0") { $0 >= 0 }
    guard let value = kind.read(setting.value) else {
      throw setting.error("expected \(kind.expectation), found \(setting.value.shown)")
    }
    margin = value
    given[KnownNames.margin] = setting
  }

  private mutating func handleForeign(_ setting: Setting) throws {
    switch ForeignKeys.verdict(on: setting.name, setting.value) {
    case .ignored:
      if !ignored.contains(setting.name) { ignored.append(setting.name) }
    case .refused(let advice):
      throw setting.error("\(setting.value.shown) has no meaning here: \(advice)")
    case nil:
      if let advice = OtherNames.advice(on: setting.name) { throw setting.error("unknown key; \(advice)") }
      let nearest = NearestName.find(setting.name, among: KnownNames.all)
      throw setting.error("unknown key" + (nearest.map { "; did you mean \($0)?" } ?? ""))
    }
  }

  private mutating func settle(_ first: String, _ second: String, _ names: Set<String>) throws {
    let firstSays = names.contains(first) && says(first)
    let secondSays = names.contains(second) && says(second)
    if firstSays, secondSays, let setting = given[second] {
      throw setting.error("\(first) says the same in another way; give one of them")
    }
    if firstSays { silence(second) }
    if secondSays { silence(first) }
  }

  /// Whether a key that was given says anything: null and, for transformers' sake, 0 warm-up steps do not.
  private func says(_ name: String) -> Bool {
    switch name {
    case "warmup_ratio": configuration.warmupRatio != nil
    case "warmup_steps": (configuration.warmupSteps ?? 0) != 0 || warmupShare != nil
    default: given[name] != nil
    }
  }

  private mutating func silence(_ name: String) {
    given[name] = nil
    switch name {
    case "warmup_ratio": configuration.warmupRatio = nil
    case "warmup_steps": (configuration.warmupSteps, warmupShare) = (nil, nil)
    case KnownNames.margin: margin = nil
    default: break
    }
  }

  private static func refuseBatchParts(_ settings: [Setting], _ earlier: [Setting]) throws {
    guard let setting = settings.first(where: { KnownNames.batchParts.contains($0.name) }) else { return }
    let both = KnownNames.batchParts.map { name -> String in
      let found = (settings + earlier).first { $0.name == name }
      guard let found, case .text(let text) = found.value else { return "1" }
      return text
    }
    let product = both.compactMap(NumberText.integer).reduce(1) { $0.multipliedReportingOverflow(by: $1).partialValue }
    throw setting.error(
      "batches are counted in pairs over all ranks here; set global_batch_size to per_device_train_batch_size × "
        + "gradient_accumulation_steps × processes = \(both[0]) × \(both[1]) × processes"
        + " (\(product) with one process)")
  }

  /// Fills in what follows from other keys.
  mutating func resolve() throws {
    if let margin { configuration.gammaBetaRatio = margin / configuration.beta }
    configuration.lossType = configuration.lossType.map { $0 == "sigmoid" ? "dpo" : $0 }
    if let warmupShare { (configuration.warmupRatio, configuration.warmupSteps) = (warmupShare, nil) }
    if configuration.warmupSteps == 0 {
      // transformers' default of 0 steps leaves a ratio in force that was given; alone it means that there is no warm-up.
      if given["warmup_ratio"] == nil { configuration.warmupRatio = nil }
      if configuration.warmupRatio != nil { configuration.warmupSteps = nil }
    }
    if configuration.warmupRatio == nil, configuration.warmupSteps == nil { configuration.warmupRatio = 0 }
    if configuration.schedule == .constant, given["warmup_ratio"] == nil, given["warmup_steps"] == nil {
      configuration.warmupRatio = 0
    }
  }

  func require(_ names: [String], file: String?) throws {
    let empty = RunConfiguration()
    for name in names {
      guard let key = ConfigurationKey.named(name) else { preconditionFailure("no key is named \(name)") }
      guard key.get(configuration) == key.get(empty), given[name] == nil else { continue }
      guard let file else {
        throw TregError.usage("--\(name.replacing("_", with: "-")) is missing: \(key.help)")
      }
      throw TregError.configuration(at: file, "\(name) is missing: \(key.help)")
    }
  }

  /// Keys that say how adapters are made, though the run makes none.
  var idle: [String] {
    guard !configuration.usePeft else { return [] }
    var names: [String] = []
    if configuration.loraRank != nil { names.append("lora_r") }
    if configuration.loraAlpha != nil { names.append("lora_alpha") }
    if !configuration.loraTargetModules.isEmpty { names.append("lora_target_modules") }
    if configuration.useRSLoRA { names.append("use_rslora") }
    return names.map { "\($0) without use_peft" }
  }

  func checkTogether() throws {
    if let weights = configuration.lossWeights {
      let count = configuration.lossType.count
      guard weights.count == count else {
        throw error("loss_weights", "expected \(count) numbers, one for each loss_type, found \(weights.count)")
      }
      guard weights.contains(where: { $0 > 0 }) else { throw error("loss_weights", "expected one above 0") }
    }
    if (configuration.tregRewards == .dpo) != (configuration.tregRewardModel != nil) {
      throw configuration.tregRewardModel == nil
        ? error("treg_rewards", "dpo needs treg_reward_model, the model that gives them")
        : error("treg_reward_model", "it is read with treg_rewards: dpo alone")
    }
    if configuration.tisLower > configuration.tisUpper {
      throw error("tis_lower", "expected at most tis_upper, \(configuration.tisUpper), found \(configuration.tisLower)")
    }
    if configuration.evalSteps != nil, configuration.heldData.isEmpty {
      throw error("eval_steps", "there is nothing to evaluate; give eval_data, too")
    }
    if configuration.loadBestModelAtEnd {
      guard let evaluations = configuration.evalSteps, let saves = configuration.saveSteps, saves % evaluations == 0
      else {
        throw error(
          "load_best_model_at_end",
          "checkpoints are compared by evaluations of the same step; set eval_steps, and save_steps to a multiple of it"
        )
      }
    }
    if let limit = configuration.maxPromptLength, limit >= configuration.maxLength {
      throw error(
        "max_prompt_length", "expected less than max_length, \(configuration.maxLength), found \(limit)")
    }
    if configuration.schedule == .constant,
      (configuration.warmupRatio ?? 0) > 0 || (configuration.warmupSteps ?? 0) > 0
    {
      throw error(
        configuration.warmupSteps == nil ? "warmup_ratio" : "warmup_steps",
        "lr_scheduler_type constant has no warm-up; use constant_with_warmup")
    }
  }

  private func error(_ name: String, _ message: String) -> TregError {
    given[name]?.error(message) ?? .configuration(at: name, message)
  }
}
