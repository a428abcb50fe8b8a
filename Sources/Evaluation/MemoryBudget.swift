import Configuration
import ModelDescription
import Reporting

/// The memory that training a model takes, for several numbers of ranks and ways of training.
package struct MemoryBudget {
  /// The ranks that are shown.
  static let ranks = [1, 2, 4, 8]

  private let model: ModelDescription
  private let configuration: RunConfiguration
  private let threads: Int
  /// The adapters that `use_peft` would train; nil when the model is too small for their rank.
  private let adapters: LowRankLayout?
  /// What the configuration asks for, on one rank.
  let chosen: MemoryFormula

  /// - Throws: 78 when the configuration asks for adapters that the model cannot have.
  init(_ model: ModelDescription, _ configuration: RunConfiguration, threads: Int) throws {
    self.model = model
    self.configuration = configuration
    self.threads = threads
    adapters = configuration.usePeft ? try configuration.adapters(of: model) : try? configuration.adapters(of: model)
    chosen = Self.formula(
      model, configuration, threads: threads, lowRank: configuration.usePeft ? adapters : nil, ranks: 1)
  }

  private static func formula(
    _ model: ModelDescription, _ configuration: RunConfiguration, threads: Int, lowRank: LowRankLayout?, ranks: Int,
    tokens: Int? = nil
  ) -> MemoryFormula {
    let tokens = tokens ?? configuration.microBatchTokenCount
    let shards = configuration.gradientExchange == .reduceScatter ? ranks : 1
    return MemoryFormula(
      model, .init(tokens: tokens, scoredTokens: tokens, shards: shards, threads: threads, lowRank: lowRank))
  }

  private func bytes(lowRank: LowRankLayout?, ranks: Int, tokens: Int? = nil) -> Int {
    Self.formula(model, configuration, threads: threads, lowRank: lowRank, ranks: ranks, tokens: tokens).totalBytes
  }

  /// A table of ranks and ways of training, and the terms of what the configuration asks for.
  package func text(availableBytes: Int?) -> String {
    var table = Table([("memory of", .left)] + Self.ranks.map { ("\($0) rank\($0 == 1 ? "" : "s")", .right) })
    func add(_ name: String, _ lowRank: LowRankLayout?) {
      let each = Self.ranks.map { bytes(lowRank: lowRank, ranks: $0) }
      table.append([name + ", each"] + each.map(MemoryFormula.readable))
      table.append(
        ["  all on this machine"]
          + zip(each, Self.ranks).map { each, ranks in
            let whole = each * ranks
            return MemoryFormula.readable(whole) + (availableBytes.map { whole > $0 } == true ? "!" : "")
          })
    }
    add("all weights", nil)
    if let adapters { add("low-rank adapters (r \(adapters.description.rank))", adapters) }
    var lines = [table.text]
    if let availableBytes, lines[0].contains("!") {
      lines.append("! is more than the \(MemoryFormula.readable(availableBytes)) that are free here")
    }
    lines += [
      "",
      "one rank, \(threads) thread\(threads == 1 ? "" : "s"), \(chosen.workload.tokens) tokens in a micro-batch"
        + (configuration.usePeft ? ", adapters:" : ", all weights:"), "\(chosen)",
    ]
    return lines.joined(separator: "\n")
  }

  /// Changes that make training fit, the mildest first.
  func remedies(availableBytes: Int) -> [String] {
    let own = configuration.usePeft ? adapters : nil
    var remedies: [String] = []
    let few = configuration.microBatchTokenCount / 4
    if few >= 256, bytes(lowRank: own, ranks: 1, tokens: few) <= availableBytes {
      remedies.append("--micro-batch-tokens \(few)")
    }
    if let ranks = Self.ranks.dropFirst().first(where: { bytes(lowRank: own, ranks: $0) <= availableBytes }) {
      remedies.append("\(ranks) ranks on as many machines like this one")
    }
    if !configuration.usePeft, let adapters, bytes(lowRank: adapters, ranks: 1) <= availableBytes {
      remedies.append("--use-peft true")
    }
    return remedies
  }
}
