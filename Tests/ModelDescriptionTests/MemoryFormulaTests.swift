import ModelDescription
import Testing

@Suite struct MemoryFormulaTests {
  @Test func sumsNamedTerms() throws {
    let model = try ModelDescription(configuration: configuration(), place: "config.json")
    let formula = MemoryFormula(model, .init(tokens: 10, scoredTokens: 4, shards: 2, threads: 2))
    func bytes(_ name: String) -> Int? { formula.terms.first { $0.name == name }?.bytes }
    #expect(bytes("weights") == 4 * model.bufferCount)
    #expect(bytes("optimizer") == 4 * model.bufferCount)
    #expect(bytes("reference") == nil)
    // T (L (2 h + 2 h_q + 2 h_kv + 2 f + a + 2) + 2 h), and a sixteenth more
    let activations = 10 * (2 * (2 * 24 + 2 * 24 + 2 * 12 + 2 * 40 + 4 + 2) + 2 * 24)
    #expect(bytes("activations") == 4 * (activations + activations / 16))
    let again = MemoryFormula(model, .init(tokens: 10, scoredTokens: 4, recomputes: true))
    let inputs = 10 * ((2 + 2) * 24 + (activations - 10 * 2 * 24) / 20)
    #expect(again.terms.first { $0.name == "activations" }?.bytes == 4 * (inputs + inputs / 16))
    #expect(bytes("logits") == 4 * (400 + 25))
    #expect(formula.totalBytes == formula.terms.reduce(0) { $0 + $1.bytes })
    let lines = formula.description.split(separator: "\n")
    #expect(lines.count == formula.terms.count + 1)
    #expect(lines.last?.hasPrefix("total") == true)
  }

  @Test func buffersOfGradientsCountEach() throws {
    let model = try ModelDescription(configuration: configuration(), place: "config.json")
    let one = MemoryFormula(model, .init(tokens: 100, scoredTokens: 50))
    let four = MemoryFormula(model, .init(tokens: 100, scoredTokens: 50, gradients: 4))
    #expect(four.totalBytes == one.totalBytes + 3 * 4 * model.bufferCount)
  }

  /// A copy of what a rank writes: its files of weights and its part of the optimizer's state.
  @Test func copiesOfCheckpointsCount() throws {
    let model = try ModelDescription(configuration: configuration(), place: "config.json")
    func total(savers: Int, shards: Int = 1, lowRank: LowRankLayout? = nil) -> Int {
      MemoryFormula(model, .init(tokens: 9, scoredTokens: 5, shards: shards, lowRank: lowRank, savers: savers))
        .totalBytes
    }
    let all = model.parameterCount
    #expect(total(savers: 1) - total(savers: 0) == 4 * all + 8 * model.bufferCount)
    // Too small to be divided: one rank writes all weights.
    #expect(total(savers: 2, shards: 2) - total(savers: 0, shards: 2) == 4 * all + 4 * model.bufferCount)
    let lowRank = try LowRankLayout(LowRank(rank: 4, alpha: 8, targets: ["all-linear"]), of: model)
    #expect(total(savers: 1, lowRank: lowRank) - total(savers: 0, lowRank: lowRank) == 12 * lowRank.bufferCount)
  }

  @Test func scoringNeedsLessAndAReferenceMore() throws {
    let model = try ModelDescription(configuration: configuration(), place: "config.json")
    let training = MemoryFormula(model, .init(tokens: 100, scoredTokens: 50)).totalBytes
    let scoring = MemoryFormula(model, .init(purpose: .scoring, tokens: 100, scoredTokens: 50)).totalBytes
    let both = MemoryFormula(model, .init(tokens: 100, scoredTokens: 50, keepsReference: true)).totalBytes
    #expect(scoring < training)
    #expect(both == training + 4 * model.bufferCount)
  }

  /// A second model that makes rewards is gone when training begins, so it counts where training takes less than it: with adapters.
  @Test func aRewardModelCountsAsFarAsItPassesTraining() throws {
    let model = try ModelDescription(configuration: configuration(), place: "config.json")
    let lowRank = try LowRankLayout(LowRank(rank: 1, alpha: 1, targets: ["q_proj"]), of: model)
    func total(_ rewardElements: Int, _ lowRank: LowRankLayout?, scoreRows: Int = 0) -> Int {
      MemoryFormula(
        model,
        .init(
          tokens: 10, scoredTokens: 4, weightBytes: 2, lowRank: lowRank, scoreRows: scoreRows,
          scoreTokens: 10 * scoreRows,
          rewardElements: rewardElements)
      ).totalBytes
    }
    #expect(total(model.bufferCount, nil) == total(0, nil), "gradients and optimizer take more")
    let scoring = MemoryFormula(model, .init(purpose: .scoring, tokens: 10, scoredTokens: 4, weightBytes: 2)).totalBytes
    let many = 10 * model.bufferCount
    #expect(total(many, lowRank) == scoring + 4 * many && total(many, lowRank) > total(0, lowRank))
    #expect(total(0, lowRank, scoreRows: 1000) == total(0, lowRank) + 1000 * (12 * 10 + 344))
    #expect(total(many, lowRank, scoreRows: 1000) == scoring + 4 * many + 1000 * (12 * 10 + 344))
  }

  /// 6 N + 12 N / D of weights of two bytes that train; 4 N or 2 N, and 16 bytes an element of adapters.
  @Test func countsWhatTrainsApart() throws {
    let model = try ModelDescription(configuration: configuration(), place: "config.json")
    let lowRank = try LowRankLayout(LowRank(rank: 4, alpha: 8, targets: ["all-linear"]), of: model)
    func kept(_ weightBytes: Int, _ lowRank: LowRankLayout?, shards: Int = 1) -> Int {
      let names = ["weights", "adapter", "gradients", "optimizer", "masters"]
      return MemoryFormula(
        model, .init(tokens: 10, scoredTokens: 4, shards: shards, weightBytes: weightBytes, lowRank: lowRank)
      ).terms.reduce(0) { names.contains($1.name) ? $0 + $1.bytes : $0 }
    }
    let (all, own) = (model.bufferCount, lowRank.bufferCount)
    #expect(own > 0 && own == TrainedParameters(model, lowRank: lowRank).bufferCount)
    #expect(kept(4, nil) == 16 * all && kept(4, nil, shards: 2) == 12 * all)
    #expect(kept(2, nil) == 18 * all && kept(2, nil, shards: 2) == 12 * all)
    #expect(kept(4, lowRank) == 4 * all + 16 * own && kept(2, lowRank) == 2 * all + 16 * own)
    #expect(kept(2, lowRank, shards: 2) == 2 * all + 12 * own)
  }

  @Test func logitsAreKeptWithinTheirBudget() throws {
    let model = try ModelDescription(configuration: configuration(), place: "config.json")
    func logits(_ workload: MemoryFormula.Workload) -> Int? {
      MemoryFormula(model, workload).terms.first { $0.name == "logits" }?.bytes
    }
    func room(_ tokens: Int) -> Int { 4 * (tokens * 100 + tokens * 100 / 16) }
    #expect(logits(.init(tokens: 2000, scoredTokens: 1000)) == room(1000))
    #expect(logits(.init(tokens: 2000, scoredTokens: 1000, logitBudget: 4 * 100 * 500)) == room(500))
    #expect(logits(.init(tokens: 2000, scoredTokens: 1000, logitBudget: 0)) == room(384))
    #expect(logits(.init(purpose: .scoring, tokens: 2000, scoredTokens: 1000)) == room(384))
  }

  @Test func writesSizesForPeople() {
    #expect(MemoryFormula.readable(538_060_032) == "538.1 MB")
    #expect(MemoryFormula.readable(2_250_000_000) == "2.3 GB")
  }
}
