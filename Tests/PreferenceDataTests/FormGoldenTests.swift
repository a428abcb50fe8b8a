import ChatTemplates
import Foundation
import OrderedJSON
import PreferenceData
import RunFolder
import Testing

/// Rows as users of TRL, LLaMA-Factory and axolotl have them, beside the texts that TRL makes of them
/// (Tests/Oracles/forms_golden.py).
@Suite struct FormGoldenTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let row: JSONValue
    let texts: JSONValue
    let template: String
  }

  static let cases: [Case] = {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Golden/forms.json")
    guard let golden = try? JSONValue(parsing: Data(contentsOf: path)), let template = golden["template"]?.string
    else { return [] }
    return (golden["cases"]?.array ?? []).map {
      Case(
        testDescription: $0["name"]?.string ?? "", row: $0["row"] ?? .null, texts: $0["texts"] ?? .null,
        template: template)
    }
  }()

  @Test func theFileHasItsCases() { #expect(Self.cases.count == 21) }

  @Test(arguments: cases) func rowBecomesTheTextsOfTRL(_ form: Case) throws {
    let template = try ChatTemplate(source: form.template, place: "template")
    let tokenizer = PairTokenizer(
      encode: { CharacterTokenizer(addsBegin: false).encode($0, $1) },
      renderWithVariables: { messages, generates, variables in
        let variables = Dictionary(uniqueKeysWithValues: variables.map { ($0.key, $0.value) })
        return try template.render(messages: messages, addGenerationPrompt: generates, variables: variables)
      }, endTokens: [3], endText: "<end>", limits: try LengthLimits())
    let pair = try tokenizer.tokenize(PreferenceRow(columns: form.row, row: 0, place: "f:1"))
    func ids(_ column: String) throws -> [Int32] {
      CharacterTokenizer.ids(try #require(form.texts[column]?.string))
    }
    #expect(try pair.prompt == ids("prompt"))
    #expect(try pair.chosen == Response(tokens: ids("chosen")))
    #expect(try pair.rejected == Response(tokens: ids("rejected")))
  }

  @Test func columnsOfWrongKindsAreNamed() {
    let pair = #""chosen": "a", "rejected": "b""#
    for (text, message) in [
      (
        #"{"instruction": "q", "history": [["x"]], \#(pair)}"#,
        #"`history`: expected pairs of a question and its answer, [["…", "…"], …]"#
      ),
      (
        #"{"prompt": "q", "chat_template_kwargs": [1], \#(pair)}"#,
        "`chat_template_kwargs`: expected an object or its JSON text, found a list"
      ),
      (
        #"{"prompt": "q", "chat_template_kwargs": {"messages": []}, \#(pair)}"#,
        "`chat_template_kwargs`: `messages` is given by the row itself"
      ),
      (#"{"prompt": "q", "tools": "7", \#(pair)}"#, "`tools`: expected a list or its JSON text, found another text"),
    ] {
      expectError(.badData, "f:1: " + message) { try FormatTests.row(text) }
    }
  }
}
