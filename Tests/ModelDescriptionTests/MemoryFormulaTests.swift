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
    // 4 T L (4 h + 2 h_q + 2 h_kv + 3 f + a)
    #expect(bytes("activations") == 4 * 10 * 2 * (4 * 24 + 2 * 24 + 2 * 12 + 3 * 40 + 4))
    #expect(bytes("logits") == 4 * 4 * 100)
    #expect(formula.totalBytes == formula.terms.reduce(0) { $0 + $1.bytes })
    let lines = formula.description.split(separator: "\n")
    #expect(lines.count == formula.terms.count + 1)
    #expect(lines.last?.hasPrefix("total") == true)
  }

  @Test func scoringNeedsLessAndAReferenceMore() throws {
    let model = try ModelDescription(configuration: configuration(), place: "config.json")
    let training = MemoryFormula(model, .init(tokens: 100, scoredTokens: 50)).totalBytes
    let scoring = MemoryFormula(model, .init(purpose: .scoring, tokens: 100, scoredTokens: 50)).totalBytes
    let both = MemoryFormula(model, .init(tokens: 100, scoredTokens: 50, keepsReference: true)).totalBytes
    #expect(scoring < training)
    #expect(both == training + 4 * model.bufferCount)
  }

  @Test func writesSizesForPeople() {
    #expect(MemoryFormula.readable(538_060_032) == "538.1 MB")
    #expect(MemoryFormula.readable(2_250_000_000) == "2.3 GB")
  }
}
