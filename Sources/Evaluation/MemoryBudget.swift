import Configuration
import ModelDescription
import ModelFiles
import Reporting

/// The memory that training a model takes, for several numbers of ranks and ways of training.
package struct MemoryBudget {
  /// A way of training, as far as memory depends on it.
  private struct Way {
    var lowRank: LowRankLayout?
    var weightBytes: Int
    var tokens: Int
    var recomputes: Bool
    var copiesCheckpoints: Bool
  }

  /// The ranks that are shown.
  private static let ranks = [1, 2, 4, 8]

  private let model: ModelDescription
  private let configuration: RunConfiguration
  private let threads: Int
  /// The adapters that `use_peft` would train; nil when the model is too small for their rank.
  private let adapters: LowRankLayout?
  /// Elements of the model that token rewards are made of; 0 when there is none.
  private let rewardElements: Int
  /// What the configuration asks for.
  private let own: Way

  /// - Throws: 78 when the configuration asks for adapters that the model cannot have; what opening the model of token
  ///   rewards throws.
  init(
    _ source: ModelSource, _ configuration: RunConfiguration, threads: Int, environment: [String: String]
  ) throws {
    model = source.model
    self.configuration = configuration
    self.threads = threads
    func adapters() throws -> LowRankLayout {
      try source.lowRank(
        rank: configuration.loraRank, alpha: configuration.loraAlpha, usesRootScaling: configuration.useRSLoRA,
        targets: configuration.loraTargetModules)
    }
    // Rewards that are finished need no model any more.
    rewardElements =
      try configuration.rewards == nil
      ? configuration.tregRewardModel.map { try ModelSource.open($0, environment: environment).model.bufferCount } ?? 0
      : 0
    self.adapters = configuration.usePeft ? try adapters() : try? adapters()
    own = Way(
      lowRank: configuration.usePeft ? self.adapters : nil,
      weightBytes: configuration.weightType(of: source).byteCount,
      tokens: configuration.microBatchTokenCount, recomputes: configuration.recompute,
      copiesCheckpoints: configuration.copiesCheckpoints)
  }

  private func formula(_ way: Way, ranks: Int = 1) -> MemoryFormula {
    let shards = configuration.gradientExchange == .reduceScatter ? ranks : 1
    return MemoryFormula(
      model,
      .init(
        tokens: way.tokens, scoredTokens: way.tokens, shards: shards, threads: threads,
        gradients: configuration.gradientBuffers(ranks: ranks), weightBytes: way.weightBytes,
        lowRank: way.lowRank, recomputes: way.recomputes, savers: way.copiesCheckpoints ? ranks : 0,
        rewardElements: rewardElements,
        processBytes: MemoryFormula.Workload.processBytes(ranks: ranks)))
  }

  /// What the configuration asks for takes on one rank.
  var oneRankBytes: Int { formula(own).totalBytes }

  /// A table of ranks and ways of training, and the terms of what the configuration asks for.
  package func text(availableBytes: Int?) -> String {
    var table = Table([("memory of", .left)] + Self.ranks.map { ("\($0) rank\($0 == 1 ? "" : "s")", .right) })
    var isPassed = false
    func add(_ name: String, _ lowRank: LowRankLayout?, weightBytes: Int) {
      var way = own
      (way.lowRank, way.weightBytes) = (lowRank, weightBytes)
      let each = Self.ranks.map { formula(way, ranks: $0).totalBytes }
      table.append([name + ", each"] + each.map(MemoryFormula.readable))
      table.append(
        ["  all on this machine"]
          + zip(each, Self.ranks).map { each, ranks in
            let isTooMuch = availableBytes.map { each * ranks > $0 } ?? false
            isPassed = isPassed || isTooMuch
            return MemoryFormula.readable(each * ranks) + (isTooMuch ? "!" : "")
          })
    }
    add("all weights", nil, weightBytes: 4)
    add("with --weights bf16", nil, weightBytes: 2)
    if let adapters {
      add("low-rank adapters (r \(adapters.projections.map(\.rank).max() ?? 0))", adapters, weightBytes: 4)
      add("on --weights bf16", adapters, weightBytes: 2)
    }
    var lines = [table.text]
    if let availableBytes, isPassed {
      lines.append("! is more than the \(MemoryFormula.readable(availableBytes)) that are free here")
    }
    let heading =
      [
        "one rank", "\(threads) thread\(threads == 1 ? "" : "s")", "\(own.tokens) tokens in a micro-batch",
        own.lowRank == nil ? "all weights" : "adapters",
      ] + (own.recomputes ? ["activations made again"] : [])
    return (lines + ["", heading.joined(separator: ", ") + ":", "\(formula(own))"]).joined(separator: "\n")
  }

  /// Changes that make training fit, the mildest first.
  func remedies(availableBytes: Int) -> [String] {
    func fits(ranks: Int = 1, _ change: (inout Way) -> Void = { _ in }) -> Bool {
      var way = own
      change(&way)
      return formula(way, ranks: ranks).totalBytes <= availableBytes
    }
    var remedies: [String] = []
    if own.copiesCheckpoints, fits({ $0.copiesCheckpoints = false }) { remedies.append("--save-async false") }
    let few = own.tokens / 4
    if few >= 256, fits({ $0.tokens = few }) { remedies.append("--micro-batch-tokens \(few)") }
    if !own.recomputes, fits({ $0.recomputes = true }) { remedies.append("--recompute true") }
    if own.weightBytes > 2, fits({ $0.weightBytes = 2 }) { remedies.append("--weights bf16") }
    if let ranks = Self.ranks.dropFirst().first(where: { fits(ranks: $0) }) {
      remedies.append("\(ranks) ranks on as many machines like this one")
    }
    guard own.lowRank == nil, let adapters else { return remedies }
    if fits({ $0.lowRank = adapters }) {
      remedies.append("--use-peft true")
    } else if own.weightBytes > 2, fits({ ($0.lowRank, $0.weightBytes) = (adapters, 2) }) {
      remedies.append("--use-peft true --weights bf16")
    }
    return remedies
  }
}
