import Foundation
import OrderedJSON
import PreferenceData
import RunFolder
import Testing

@Suite struct FormatTests {
  static func row(_ text: String) throws -> PreferenceRow {
    try PreferenceRow(columns: JSONValue(parsing: text), row: 0, place: "f:1")
  }

  static func expectRow(
    _ text: String, _ prompt: [Message], _ chosen: [Message], _ rejected: [Message],
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let row = try row(text)
    func turns(_ passage: Passage) -> [[String]] {
      guard case .messages(let messages) = passage else { return [] }
      return messages.map { [$0.role, $0.content] }
    }
    for (found, expected) in [(row.prompt, prompt), (row.chosen, chosen), (row.rejected, rejected)] {
      #expect(turns(found) == turns(.messages(expected)), sourceLocation: sourceLocation)
    }
  }

  @Test func readsConversations() throws {
    let text = #"""
      {"prompt": [{"role": "user", "content": "q", "name": "Ann"}], "chosen": [{"role": "assistant", "content": "a"}],
       "rejected": [{"role": "assistant", "content": "b"}], "score": 3}
      """#
    try Self.expectRow(text, [user("q")], [assistant("a")], [assistant("b")])
    guard case .messages(let prompt) = try Self.row(text).prompt else { throw TregError.usage("no messages") }
    #expect(prompt[0].raw["name"] == "Ann")
  }

  @Test func splitsImplicitPromptsAtMessages() throws {
    let chosen = #"[{"role": "user", "content": "q"}, {"role": "assistant", "content": "same start a"}]"#
    let rejected = #"[{"content": "q", "role": "user"}, {"role": "assistant", "content": "same start b"}]"#
    let expected = ([user("q")], [assistant("same start a")], [assistant("same start b")])
    try Self.expectRow(#"{"chosen": \#(chosen), "rejected": \#(rejected)}"#, expected.0, expected.1, expected.2)
    try Self.expectRow(
      #"{"prompt": null, "chosen": \#(chosen), "rejected": \#(rejected)}"#, expected.0, expected.1, expected.2)
    try Self.expectRow(
      #"{"prompt": "q", "chosen": \#(chosen), "rejected": \#(rejected)}"#, expected.0, expected.1, expected.2)
    expectError(
      .badData, "f:1: `prompt` is a string that no user's turn of `chosen` repeats: expected a list of messages"
    ) { try Self.row(#"{"prompt": "other", "chosen": \#(chosen), "rejected": \#(rejected)}"#) }
  }

  @Test func comparesBytes() throws {
    // é as one character and as two: equal to Unicode, different tokens.
    let row = try Self.row(#"{"prompt": "p", "chosen": "\u00e9", "rejected": "e\u0301"}"#)
    #expect(row.chosen == .text("\u{E9}"))
  }

  @Test func refusesConversationsThatDifferBeforeTheLastTurn() throws {
    func conversation(_ turns: [(String, String)]) -> String {
      "[" + turns.map { #"{"role": "\#($0.0)", "content": "\#($0.1)"}"# }.joined(separator: ", ") + "]"
    }
    func row(_ chosen: [(String, String)], _ rejected: [(String, String)]) throws -> PreferenceRow {
      try Self.row(#"{"chosen": \#(conversation(chosen)), "rejected": \#(conversation(rejected))}"#)
    }
    let start = [("user", "q"), ("assistant", "a")]
    expectError(
      .badData,
      "f:1: `chosen`: expected only assistant turns after the prompt that both share, found a turn of \"user\""
    ) { try row(start + [("user", "r"), ("assistant", "c")], [("user", "q"), ("assistant", "b")]) }
    expectError(.badData, "f:1: `rejected` has no turn beyond those that both share: its response is empty") {
      try row(start + [("assistant", "c")], start)
    }
    expectError(.badData, "f:1: `chosen` and `rejected` are identical") { try row(start, start) }
    expectError(
      .badData, "f:1: row without `prompt`: expected `chosen` and `rejected` that share leading turns"
    ) { try row([("assistant", "x")], [("assistant", "y")]) }
  }

  @Test func readsHumanAssistantText() throws {
    func row(_ chosen: String, _ rejected: String) -> String {
      JSONValue.object(["chosen": .string(chosen), "rejected": .string(rejected)]).text()
    }
    let prompt = "\n\nHuman: What is up?\n\nAssistant: The sky.\n\nIt is blue.\n\nHuman: And\ndown?\n\nAssistant:"
    try Self.expectRow(
      row(prompt + " Earth.", prompt + "  Rocks: many.\n"),
      [user("What is up?"), assistant("The sky.\n\nIt is blue."), user("And\ndown?")],
      [assistant("Earth.")], [assistant("Rocks: many.")])
    expectError(.badData, "f:1: the response in `rejected` is empty") { try Self.row(row(prompt + " Earth.", prompt)) }
    expectError(.badData, "f:1: `chosen` and `rejected` are identical") {
      try Self.row(row(prompt + " Earth.", prompt + " Earth. "))
    }
  }

  /// Real rows that the project does not contain; they lie beside its folder where it is developed.
  @Test func readsRealFilesWhereTheyAre() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../../../shared/data").path
    let files = ["alpaca_pairs.jsonl", "hh_rlhf_sample.jsonl.gz"].map { root + "/" + $0 }
    guard files.allSatisfy(FileManager.default.fileExists) else {
      print("skipped: no ../shared/data beside the project")
      return
    }
    let alpaca = try PreferenceFile.read([files[0]])
    #expect(alpaca.rows.count == 795 && alpaca.skipped.count == 0)
    let human = try PreferenceFile.read([files[1]], badRows: .skip)
    print("hh rows \(human.readCount), skipped \(human.skipped.count)")
    #expect(human.readCount == 200 && human.skipped.count < 20)
  }
}
