import ChatTemplates
import Foundation
import OrderedJSON
import PreferenceData
import RunFolder
import Testing

/// Boundaries beside TRL's own (Tests/Oracles/pairs_golden.py). Ids of texts come from the golden file, so that templates
/// and the decision which tokens are scored are at work here, and no tokenizer.
@Suite struct GoldenPairTests {
  static func ids(_ value: JSONValue?) throws -> [Int32] {
    try #require(value?.array).map { Int32(try #require($0.integer)) }
  }

  @Test func startsResponsesWhereTRLDoes() throws {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Golden/pairs.json")
    let golden = try JSONValue(parsing: Data(contentsOf: path))
    let end = Int32(try #require(golden["end"]?.integer))
    let cases = try #require(golden["cases"]?.array)
    #expect(cases.count == 27)
    var separateBoundaries = 0
    let templates = golden["templates"]
    for (index, golden) in cases.enumerated() {
      let pair = try Self.tokenizer(golden, templates: templates, end: end).tokenize(
        PreferenceRow(columns: golden, row: index, place: "\(index)"))
      #expect(pair.prompt == (try Self.ids(golden["prompt_ids"])), "case \(index)")
      for (response, column) in [(pair.chosen, "chosen_ids"), (pair.rejected, "rejected_ids")] {
        let expected = try Self.ids(golden[column])
        // TRL also scores what templates write after the end of the turn.
        let last = try #require(expected.lastIndex(of: end))
        #expect(response.tokens == Array(expected[...last]), "case \(index), \(column)")
        if response.scoredFrom > 0 { separateBoundaries += 1 }
      }
    }
    // Under two templates a rejected response alone merges with the line feed before it.
    #expect(separateBoundaries == 2)
  }

  private static func tokenizer(_ golden: JSONValue, templates: JSONValue?, end: Int32) throws -> PairTokenizer {
    let renderings = try #require(golden["renderings"]?.array)
    var render: PairTokenizer.Render?
    if let name = golden["template"]?.string {
      let template = try ChatTemplate(source: try #require(templates?[name]?.string), place: name)
      render = { try template.render(messages: $0, addGenerationPrompt: $1) }
    }
    return PairTokenizer(
      encode: { text, _ in
        guard let rendering = renderings.first(where: { $0["text"]?.string == text }) else {
          throw TregError.badData(at: nil, "no ids for: \(text)")
        }
        return try ids(rendering["ids"])
      }, render: render, endTokens: [end], endText: "<|im_end|>", limits: try LengthLimits())
  }
}
