import Configuration
import ModelDescription
import ModelFiles
import RunFolder

/// Whether the ranks of a machine fit its memory, by the formula of one rank.
package struct MemoryCheck: Sendable {
  package let formula: MemoryFormula
  package let ranksPerNode: Int
  /// Bytes of a stepped weight that ranks send each other, and the share of them that the next pass begins with.
  let gather: (bytes: Double, awaitedShare: Double)
  /// About what a checkpoint takes on the disk: weights in fp32 and two moments of each that trains.
  package let checkpointBytes: Int

  /// The check for `treg train` with the worker's words; nil for other commands, whose memory is small beside it.
  ///
  /// - Throws: what reading the configuration and opening the model throw.
  package init?(_ options: LaunchOptions, _ plan: LaunchPlan) throws {
    try self.init(options, ranks: plan.ranks, ranksPerNode: plan.ranksPerNode, threads: plan.threads)
  }

  init?(_ options: LaunchOptions, ranks: Int, ranksPerNode: Int, threads: Int, recomputes: Bool? = nil) throws {
    guard options.arguments.first == "train" else { return nil }
    let words = WorkerWords(options.arguments.dropFirst())
    let configuration = try RunConfiguration.parse(file: words.file, flags: words.flags).configuration
    let source = try ModelSource.open(configuration.model)
    // Rows are not read yet; a single pair that is longer than a micro-batch takes more, as the worker then says.
    let tokens = configuration.microBatchTokenCount
    let shards = configuration.gradientExchange == .reduceScatter ? ranks : 1
    let lowRank =
      try configuration.usePeft
      ? source.lowRank(
        rank: configuration.loraRank, alpha: configuration.loraAlpha, usesRootScaling: configuration.useRSLoRA,
        targets: configuration.loraTargetModules) : nil
    // Rewards that are finished need no model any more.
    let rewardElements =
      try configuration.rewards == nil
      ? configuration.tregRewardModel.map { try ModelSource.open($0).model.bufferCount } ?? 0 : 0
    let model = source.model
    let weightBytes = source.storageType(named: configuration.weights.rawValue).byteCount
    gather =
      lowRank != nil
      ? (4, 0)
      : weightBytes < 4
        ? (Double(weightBytes), 1)
        : (4, Double(model.vocabularySize * model.width) / Double(model.bufferCount))
    formula = MemoryFormula(
      source.model,
      .init(
        tokens: tokens, scoredTokens: tokens, shards: shards, threads: threads,
        gradients: configuration.gradientBuffers(ranks: ranks),
        weightBytes: weightBytes,
        lowRank: lowRank, recomputes: recomputes ?? configuration.recompute,
        savers: configuration.copiesCheckpoints ? ranks : 0, rewardElements: rewardElements,
        processBytes: MemoryFormula.Workload.processBytes(ranks: ranks)))
    self.ranksPerNode = ranksPerNode
    checkpointBytes = configuration.usePeft ? 1 << 20 : 12 * source.model.parameterCount
  }

  package var totalBytes: Int { formula.totalBytes * ranksPerNode }

  private var advice: String {
    (formula.workload.savers > 0 ? "--save-async false, " : "")
      + "--recompute true, --weights bf16 or --use-peft true"
  }

  /// - Throws: ``TregError`` 78 when the ranks need more than there is.
  package func check(available: Int?) throws {
    guard let available, totalBytes > available else { return }
    throw TregError.configuration(
      at: nil,
      "\(ranksPerNode) ranks need \(MemoryFormula.readable(totalBytes)) of memory, \(MemoryFormula.readable(available)) "
        + "are free; lower --nproc-per-node or --micro-batch-tokens, or try \(advice)"
    )
  }
}

extension LaunchOptions {
  /// `threads` of the configuration that the worker is given; nil when it says auto, or cannot be read for flags of
  /// another command than `train`.
  package func configuredThreads() throws -> Int? {
    let words = WorkerWords(arguments.dropFirst())
    func parse() throws -> RunConfiguration {
      try RunConfiguration.parse(file: words.file, flags: words.flags).configuration
    }
    let configuration = arguments.first == "train" ? try parse() : try? parse()
    guard case .count(let count) = configuration?.threads else { return nil }
    return count
  }
}
