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
  let threads: Int
  let source: ModelSource
  /// The frozen model; the starting model unless another was named.
  let reference: ModelSource
  let pairTokenizer: PairTokenizer
  let train: RunTokens
  let held: RunTokens?
  let objective: any Objective
  let template: ContrastiveTemplate?
  let plan: EpochPlan
  let modelHash: String
  let microBatchTokens: Int
  /// What trains in place of the model's weights.
  let lowRank: LowRankLayout?

  /// Collective.
  init(_ configuration: RunConfiguration, communicator: Communicator, environment: [String: String]) throws {
    self.configuration = configuration
    self.communicator = communicator
    threads = configuration.threadCount(environment: environment)
    microBatchTokens = configuration.microBatchTokenCount
    let objective = try ObjectiveRegistry.objective(
      lossTypes: configuration.lossType, weights: configuration.lossWeights,
      options: ObjectiveOptions(
        beta: configuration.beta, labelSmoothing: configuration.labelSmoothing,
        gammaBetaRatio: configuration.gammaBetaRatio, tregAlpha: configuration.tregAlpha))
    let template = try objective.needs.contains(.rewards) ? ContrastiveTemplate.find(configuration.tregTemplate) : nil
    let threads = threads
    let opened = try communicator.agree {
      let source = try ModelSource.open(configuration.model)
      let reference = try configuration.reference.map { try ModelSource.open($0) } ?? source
      guard reference.model.vocabularySize == source.model.vocabularySize else {
        throw TregError.configuration(
          at: "reference",
          "its vocabulary has \(reference.model.vocabularySize) tokens, the model's \(source.model.vocabularySize)")
      }
      let limits = try configuration.lengthLimits(for: source.model)
      let tokenizer = try source.pairTokenizer(source.tokenizer(), limits: limits)
      func read(_ names: [String], _ split: String?) throws -> RunTokens {
        try RunTokens.read(
          names, split: split, tokenizer: tokenizer, skippingBadRows: configuration.badRows == .skip,
          threads: threads, environment: environment, note: communicator.rank == 0 ? { Console.note($0) } : nil)
      }
      return (
        source: source, reference: reference, tokenizer: tokenizer, train: try read(configuration.data, configuration.dataSplit),
        held: try configuration.heldData.isEmpty ? nil : read(configuration.heldData, configuration.evalSplit),
        hash: try reference.contentHash, start: try source.contentHash
      )
    }
    source = opened.source
    reference = opened.reference
    pairTokenizer = opened.tokenizer
    train = opened.train
    held = opened.held
    modelHash = opened.hash
    self.objective = objective
    self.template = template
    lowRank = try configuration.lowRank(of: opened.source.model)
    plan = try EpochPlan(
      rowCount: train.pairs.count, globalBatchSize: configuration.globalBatchSize, seed: configuration.seed,
      length: configuration.maxSteps > 0 ? .steps(configuration.maxSteps) : .epochs(configuration.numTrainEpochs))
    try communicator.requireEqual(opened.start, "the model")
    try communicator.requireEqual(modelHash, "the reference model")
    try communicator.requireEqual(train.tokens.contentHash, "the data")
    if let held { try communicator.requireEqual(held.tokens.contentHash, "eval_data") }
    try communicator.requireEqual(courseText, "the configuration")
  }

  /// The configuration without what may differ between ranks: paths, and how work is done.
  private var courseText: String {
    let free = ["model", "reference", "data", "data_split", "eval_data", "eval_split", "rewards", "out", "threads"]
    return configuration.yamlText.split(separator: "\n").filter { line in
      !free.contains { line.hasPrefix($0 + ":") }
    }.joined(separator: "\n")
  }

  /// - Parameters:
  ///   - exchange: nil: as configured.
  ///   - totalSteps: steps that the learning rate's course spans; nil: those of the plan.
  func trainer(of model: Transformer, exchange: Trainer.Exchange? = nil, totalSteps: Int? = nil) -> Trainer {
    Trainer(
      model: model, objective: objective, communicator: communicator,
      exchange: exchange ?? (configuration.gradientExchange == .reduceScatter ? .reduceScatter : .allReduce),
      schedule: LearningRateSchedule(configuration, totalSteps: totalSteps ?? plan.stepCount),
      adamW: AdamW.Options(
        beta1: configuration.adamBeta1, beta2: configuration.adamBeta2, epsilon: configuration.adamEpsilon,
        weightDecay: configuration.weightDecay),
      maximumNorm: configuration.maxGradNorm, microBatchTokens: microBatchTokens)
  }

  /// The model with what is to train: itself, or with new adapters around its weights.
  func adapted(_ model: Transformer) -> Transformer {
    guard let lowRank else { return model }
    return Transformer(
      description: model.description, parameters: model.parameters, workers: model.workers,
      adapter: LowRankAdapter(lowRank, seed: UInt64(configuration.seed)))
  }

  func identity(of tokens: RunTokens) -> ScoreIdentity {
    ScoreIdentity(
      modelHash: modelHash, dataHash: tokens.tokens.contentHash, rowCount: tokens.pairs.count, template: template,
      maxLength: configuration.maxLength, maxPromptLength: configuration.maxPromptLength)
  }

  /// What the largest micro-batches of the first epoch ask of any rank's memory.
  var workload: MemoryFormula.Workload {
    var plan = plan
    var (tokens, scored, longest) = (0, 0, 0)
    for step in 0..<min(plan.stepsPerEpoch, plan.stepCount) {
      let batch = plan.batch(ofStep: step)
      let ranks = Division.divide(batch, costs: batch.map { train.pairs.counts(at: $0).tokens }, ranks: communicator.size)
      for pairs in ranks.map({ rows in rows.map(train.pairs.counts) }) {
        for microBatch in Division.microBatches(
          Array(pairs.indices), costs: pairs.map(\.tokens), maxTokens: microBatchTokens)
        {
          tokens = max(tokens, microBatch.reduce(0) { $0 + pairs[$1].tokens })
          scored = max(scored, microBatch.reduce(0) { $0 + pairs[$1].scored })
        }
        for pair in pairs { longest = max(longest, pair.longest) }
      }
    }
    return MemoryFormula.Workload(
      tokens: tokens, scoredTokens: scored,
      shards: configuration.gradientExchange == .reduceScatter ? communicator.size : 1, threads: threads,
      lowRank: lowRank, longest: longest)
  }

  /// What users see before step 1.
  var announcement: String {
    var lines = [configuration.yamlText]
    let layout =
      "\(communicator.size) rank\(communicator.size == 1 ? "" : "s") × \(threads) thread\(threads == 1 ? "" : "s")"
    lines.append(
      "layout: \(layout), \(communicator.implementation), cores allowed: \(ThreadChoice.allowedCores) on \(communicator.hostName)"
    )
    lines.append("model: \(source.model.architecture), \(NumberFormat.count(source.model.parameterCount)) parameters")
    if let lowRank {
      lines.append(
        "adapters: rank \(lowRank.description.rank) at \(lowRank.projections.count) projections, "
          + "\(NumberFormat.count(lowRank.parameterCount)) parameters train")
    }
    lines.append("data: \(train.summary)")
    if let held { lines.append("eval_data: \(held.summary)") }
    lines.append("steps: \(plan.stepCount), \(plan.stepsPerEpoch) per epoch")
    lines.append("memory of a rank:\n\(MemoryFormula(source.model, workload))")
    return lines.joined(separator: "\n")
  }
}
