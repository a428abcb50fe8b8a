import Collectives
import Compute
import Configuration
import Evaluation
import ModelDescription
import ModelFiles
import Objectives
import PreferenceData
import Reporting
import RunFolder
import Scoring
import Transformer

/// Everything a run needs before it writes anything: opened, read, checked, and equal on all ranks.
struct TrainingSetup {
  let configuration: RunConfiguration
  let communicator: Communicator
  /// The shares that batches are divided into.
  let virtual: VirtualRanks
  let threads: Int
  let source: ModelSource
  /// The frozen model; the starting model unless another was named.
  let reference: ModelSource
  let pairTokenizer: PairTokenizer
  let train: RunTokens
  let held: RunTokens?
  let objective: any Objective
  /// Where token rewards come from; nil where the objective needs none.
  let rewardSource: TokenRewardSource?
  let plan: EpochPlan
  let modelHash: String
  let microBatchTokens: Int
  /// What trains in place of the model's weights.
  let lowRank: LowRankLayout?
  /// What TREG_OVERLAP says, yes or no; nil: nothing.
  private let overlapChoice: Bool?

  /// Collective.
  init(_ configuration: RunConfiguration, communicator: Communicator, environment: [String: String]) throws {
    self.configuration = configuration
    self.communicator = communicator
    guard !configuration.reproducible || configuration.wire == .float32 else {
      throw TregError(
        .configuration, at: "wire", "\(configuration.wire.rawValue) rounds by hosts, and a reproducible run must not",
        isOnAllRanks: true)
    }
    virtual =
      try configuration.reproducible
      ? VirtualRanks(reproducible: configuration.virtualRanks, communicator) : VirtualRanks(communicator)
    overlapChoice = try Self.overlapChoice(environment)
    threads = configuration.threadCount(environment: environment)
    microBatchTokens = configuration.microBatchTokenCount
    let objective = try configuration.objective()
    let threads = threads
    let opened = try communicator.agree {
      let source = try ModelSource.open(configuration.model)
      let reference = try configuration.reference.map { try ModelSource.open($0) } ?? source
      guard reference.model.vocabularySize == source.model.vocabularySize else {
        throw TregError.configuration(
          at: "reference",
          "its vocabulary has \(reference.model.vocabularySize) tokens, the model's \(source.model.vocabularySize)")
      }
      let rewards = try objective.needs.contains(.rewards) ? configuration.tokenRewardSource() : nil
      try rewards?.check(against: reference)
      let limits = try configuration.lengthLimits(for: source.model)
      let tokenizer = try source.pairTokenizer(source.tokenizer(), limits: limits)
      func read(_ names: [String], _ split: String?) throws -> RunTokens {
        try RunTokens.read(
          names, split: split, tokenizer: tokenizer, skippingBadRows: configuration.badRows == .skip,
          threads: threads, environment: environment, note: communicator.rank == 0 ? { Console.note($0) } : nil)
      }
      return (
        source: source, reference: reference, tokenizer: tokenizer,
        train: try read(configuration.data, configuration.dataSplit),
        held: try configuration.heldData.isEmpty ? nil : read(configuration.heldData, configuration.evalSplit),
        hash: try reference.contentHash, start: try source.contentHash, rewards: rewards
      )
    }
    source = opened.source
    reference = opened.reference
    pairTokenizer = opened.tokenizer
    train = opened.train
    held = opened.held
    modelHash = opened.hash
    self.objective = objective
    rewardSource = opened.rewards
    lowRank = try configuration.lowRank(of: opened.source)
    plan = try EpochPlan(
      rowCount: train.pairs.count, globalBatchSize: configuration.globalBatchSize, seed: configuration.seed,
      length: configuration.maxSteps > 0 ? .steps(configuration.maxSteps) : .epochs(configuration.numTrainEpochs))
    try communicator.requireEqual(opened.start, "the model")
    try communicator.requireEqual(modelHash, "the reference model")
    try communicator.requireEqual(rewardSource?.modelHash ?? "none", "treg_reward_model")
    try communicator.requireEqual(train.tokens.contentHash, "the data")
    if let held { try communicator.requireEqual(held.tokens.contentHash, "eval_data") }
    try communicator.requireEqual(courseText, "the configuration")
    if configuration.reproducible { try Arithmetic.requireEqual(on: communicator) }
  }

  /// The configuration without what may differ between ranks: paths, and how work is done.
  private var courseText: String {
    let free = [
      "model", "reference", "treg_reward_model", "data", "data_split", "eval_data", "eval_split", "rewards", "out",
      "threads",
    ]
    return configuration.yamlText.split(separator: "\n").filter { line in
      !free.contains { line.hasPrefix($0 + ":") }
    }.joined(separator: "\n")
  }

  /// - Parameters:
  ///   - exchange: nil: as configured.
  ///   - totalSteps: steps that the learning rate's course spans; nil: those of the plan.
  ///   - reference: the frozen model, where the objective needs its vocabulary.
  func trainer(
    of model: Transformer, reference: Transformer? = nil, exchange: Trainer.Exchange? = nil, totalSteps: Int? = nil,
    timeline: StepTimeline = StepTimeline()
  ) throws -> Trainer {
    try Trainer(
      model: model, reference: reference, objective: objective, control: configuration.tokenRewardControl,
      communicator: communicator, virtual: virtual,
      exchange: exchange ?? (configuration.gradientExchange == .reduceScatter ? .reduceScatter : .allReduce),
      wire: WireFormat(configuration.wire), overlapsExchange: overlapsExchange,
      schedule: LearningRateSchedule(configuration, totalSteps: totalSteps ?? plan.stepCount),
      adamW: AdamW.Options(
        beta1: configuration.adamBeta1, beta2: configuration.adamBeta2, epsilon: configuration.adamEpsilon,
        weightDecay: configuration.weightDecay),
      maximumNorm: configuration.maxGradNorm,
      guarding: StepGuard.Options(
        maximumSkips: configuration.maxSkippedSteps, spikeFactor: configuration.spikeFactor),
      microBatchTokens: microBatchTokens, timeline: timeline)
  }

  private static func overlapChoice(_ environment: [String: String]) throws -> Bool? {
    switch environment["TREG_OVERLAP"] ?? "" {
    case "": return nil
    case "yes": return true
    case "no": return false
    case let other:
      throw TregError(
        .configuration, at: "TREG_OVERLAP", "expected yes or no, found \"\(other)\"", isOnAllRanks: true)
    }
  }

  /// Between hosts gradients and weights travel while ranks compute. Inside one host, sums take the cores' time, and nothing
  /// is gained.
  private var overlapsExchange: Bool { overlapChoice ?? (communicator.hostCount > 1) }

  /// The frozen model.
  func loadReference(workers: Workers) throws -> Transformer {
    guard configuration.reference != nil else { return try loadStart(workers: workers) }
    return try Transformer(loading: reference, weights: configuration.weightType(of: reference), workers: workers)
  }

  /// The model that training starts from, weights held as configured. An adapter that trains stands beside them.
  func loadStart(workers: Workers) throws -> Transformer {
    try Transformer(
      loading: source, weights: configuration.weightType(of: source), merging: !configuration.usePeft, workers: workers)
  }

  /// Collective: the model that trains, and the reference that runs beside it where the objective needs its vocabulary.
  ///
  /// With new adapters on the reference's own weights the reference is those weights without them, and no second copy.
  ///
  /// - Parameter frozen: holds the reference's weights and becomes the model that trains where nothing speaks against it;
  ///   let go otherwise, before another one is loaded, unless it runs beside that.
  func policy(from frozen: inout Transformer?) throws -> (policy: Transformer, reference: Transformer?) {
    let workers = frozen!.workers
    let start = configuration.reference == nil && !keepsSecondCopy ? frozen : nil
    let reference = objective.needs.referenceVocabulary ? frozen : nil
    frozen = nil
    let policy = adapted(try start ?? communicator.agree { try loadStart(workers: workers) })
    policy.recomputes = configuration.recompute
    return (policy, reference)
  }

  /// Whether a second model's weights stay in memory while the first one trains. An adapter that goes on training
  /// cannot be left out to have the reference: it is part of that.
  private var keepsSecondCopy: Bool {
    objective.needs.referenceVocabulary
      && (configuration.reference != nil || lowRank == nil || source.adapter != nil)
  }

  /// The model with what is to train: itself, an adapter that it has, or new adapters around its weights.
  func adapted(_ model: Transformer) -> Transformer {
    guard let lowRank, model.adapter == nil else { return model }
    return Transformer(
      description: model.description, weights: model.weights, workers: model.workers,
      adapter: LowRankAdapter(lowRank, seed: UInt64(configuration.seed)))
  }

  func identity(of tokens: RunTokens) -> ScoreIdentity {
    ScoreIdentity(
      modelHash: modelHash, dataHash: tokens.tokens.contentHash, rowCount: tokens.pairs.count,
      template: rewardSource?.template, rewardModelHash: rewardSource?.modelHash,
      weights: configuration.weightType(of: reference), maxLength: configuration.maxLength,
      maxPromptLength: configuration.maxPromptLength)
  }

  /// What the largest micro-batches of the first epoch ask of any rank's memory.
  var workload: MemoryFormula.Workload {
    var plan = plan
    var (tokens, scored, longest) = (0, 0, 0)
    for step in 0..<min(plan.stepsPerEpoch, plan.stepCount) {
      let batch = plan.batch(ofStep: step)
      let shares = virtual.divide(batch, costs: batch.map { train.pairs.counts(at: $0).tokens })
      for pairs in shares.map({ rows in rows.map(train.pairs.counts) }) {
        for microBatch in Division.microBatches(
          Array(pairs.indices), costs: pairs.map(\.tokens), maxTokens: microBatchTokens)
        {
          tokens = max(tokens, microBatch.reduce(0) { $0 + pairs[$1].tokens })
          scored = max(scored, microBatch.reduce(0) { $0 + pairs[$1].scored })
        }
        for pair in pairs { longest = max(longest, pair.longest) }
      }
    }
    let scores = heldScores
    return MemoryFormula.Workload(
      tokens: tokens, scoredTokens: scored,
      shards: configuration.gradientExchange == .reduceScatter ? communicator.size : 1, threads: threads,
      gradients: configuration.gradientBuffers(ranks: communicator.size), keepsReference: keepsSecondCopy,
      runsReference: objective.needs.referenceVocabulary,
      weightBytes: configuration.weightType(of: source).byteCount, lowRank: lowRank,
      recomputes: configuration.recompute, savers: configuration.copiesCheckpoints ? communicator.size : 0,
      scoreRows: scores.rows,
      scoreTokens: scores.tokens, rewardElements: configuration.rewards == nil ? rewardSource?.modelElements ?? 0 : 0,
      longest: longest,
      processBytes: MemoryFormula.Workload.processBytes(ranks: communicator.size))
  }

  /// Rows whose scores any rank holds at most, and scored tokens in them: its part of the data, and the rows that it trains on
  /// in the steps that are exchanged at a time; of held-out pairs both parts.
  private var heldScores: (rows: Int, tokens: Int) {
    guard !objective.needs.scores.isEmpty else { return (0, 0) }
    let ranks = communicator.size
    var (rows, tokens) = (0, 0)
    func add(_ pairs: PairList, exchanged: Int) {
      let count = (pairs.count + ranks - 1) / ranks + (min(exchanged, pairs.count) + ranks - 1) / ranks
      rows += count
      let scored = pairs.allCounts.reduce(0) { $0 + $1.scored }
      tokens += Int((Double(count) * Double(scored) / Double(pairs.count)).rounded(.up))
    }
    add(train.pairs, exchanged: min(configuration.globalBatchSize, train.pairs.count) * StepLoop.exchangedSteps)
    if let held { add(held.pairs, exchanged: held.pairs.count) }
    return (rows, tokens)
  }

  /// What users see before step 1.
  var announcement: String {
    var lines = [configuration.yamlText]
    let layout =
      "\(communicator.size) rank\(communicator.size == 1 ? "" : "s") × \(threads) thread\(threads == 1 ? "" : "s")"
    lines.append(
      "layout: \(layout), \(communicator.implementation), cores allowed: \(ThreadChoice.allowedCores) on \(communicator.hostName)"
    )
    if let line = virtual.description { lines.append("reproducible: \(line), \(Arithmetic.kind)") }
    if communicator.size > communicator.hostCount, !communicator.sharesMemory {
      lines.append("ranks of a host have no memory in common and exchange gradients through MPI")
    }
    lines.append("model: \(source.model.architecture), \(NumberFormat.count(source.model.parameterCount)) parameters")
    if let lowRank {
      lines.append(
        "adapters: rank \(lowRank.rankText) at \(lowRank.projections.count) projections, "
          + "\(NumberFormat.count(lowRank.parameterCount)) parameters train")
      if let start = source.adapter {
        let dropout = start.folder.dropout == 0 ? "" : "; its lora_dropout \(start.folder.dropout) is left out"
        lines.append("they start as \(source.place), which is the reference unless another is named" + dropout)
      }
    }
    lines.append("objective: \(objective.name)")
    lines.append("data: \(train.summary)")
    if let held { lines.append("eval_data: \(held.summary)") }
    lines.append("steps: \(plan.stepCount), \(plan.stepsPerEpoch) per epoch")
    lines.append("memory of a rank:\n\(MemoryFormula(source.model, workload))")
    return lines.joined(separator: "\n")
  }
}

extension WireFormat {
  fileprivate init(_ wire: RunConfiguration.Wire) {
    switch wire {
    case .float32: self = .float32
    case .bfloat16: self = .bfloat16
    }
  }
}
