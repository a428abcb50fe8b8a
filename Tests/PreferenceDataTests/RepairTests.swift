import PreferenceData
import RunFolder
import Testing

/// Columns of the data sets that users bring, and what is set right in them.
@Suite struct RepairTests {
  private static let cases: [(text: String, prompt: [Message], repairs: Repairs)] = [
    // UltraFeedback-binarized.
    (
      #"{"prompt": "q ", "chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "b"}], "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}"#,
      [user("q")], .repeatedPrompt
    ),
    // ShareGPT, as LLaMA-Factory has it for pairs.
    (
      #"{"system": "S", "conversations": [{"from": "human", "value": "q"}], "chosen": {"from": "gpt", "value": "a"}, "rejected": {"from": "gpt", "value": "b"}}"#,
      [Message(role: "system", content: "S"), user("q")], [.fromAndValue, .renamedRoles, .systemColumn]
    ),
    // Alpaca's columns.
    (
      #"{"instruction": "q", "input": "r", "chosen": "a", "rejected": "b"}"#, [user("q\nr")],
      [.textAsTurns, .joinedInput]
    ),
    (#"{"question": "q", "response_j": "a", "response_k": "b"}"#, [user("q")], .textAsTurns),
    (#"{"system": "", "question": "q", "chosen": "a", "rejected": "b"}"#, [user("q")], .textAsTurns),
    // A prompt list that the responses repeat, with nulls as Parquet has them and contents in parts.
    (
      #"{"prompt": [{"role": "user", "content": "q", "name": null}], "chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": [{"type": "text", "text": "a"}]}], "rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "b"}]}"#,
      [user("q")], [.repeatedPrompt, .joinedParts]
    ),
    (
      #"{"prompt": "\n\nHuman: q\n\nAssistant:", "chosen": " a", "rejected": " b"}"#, [user("q")], .humanAssistantText
    ),
    (
      #"{"prompt": "q", "chosen": [{"role": "assistant", "content": "a"}], "rejected": [{"role": "assistant", "content": "b"}]}"#,
      [user("q")], .textAsTurns
    ),
  ]

  @Test(arguments: 0..<8) func formatsInUse(index: Int) throws {
    let (text, prompt, repairs) = Self.cases[index]
    try FormatTests.expectRow(text, prompt, [assistant("a")], [assistant("b")])
    #expect(try FormatTests.row(text).repairs == repairs)
  }

  @Test func implicitTextIsSplitAsTRLSplitsIt() throws {
    let row = try FormatTests.row(#"{"chosen": "The sky is blue.", "rejected": "The sky is green."}"#)
    #expect(row.prompt == .text("The sky is") && row.chosen == .text(" blue.") && row.rejected == .text(" green."))
    #expect(row.repairs == .implicitPrompt)
  }

  @Test func otherTasksAreTurnedAwayWithAdvice() throws {
    for (text, advice) in [
      (#"{"prompt": "q", "completion": "a", "label": true}"#, "as for KTO"),
      (#"{"messages": [{"role": "user", "content": "q"}]}"#, "as for supervised fine-tuning"),
      (#"{"instruction": "q", "output": "a"}"#, "as for supervised fine-tuning"),
    ] {
      #expect {
        _ = try FormatTests.row(text)
      } throws: { error in
        (error as? TregError)?.exitCode == .badData && "\(error)".contains(advice) && "\(error)".contains("pairs")
      }
    }
  }

  @Test func toolsReachTheTemplateAndSecondBeginTokensGo() throws {
    let tokenizer = PairTokenizer(
      encode: { CharacterTokenizer().encode($0, $1) },
      renderWithVariables: { ($2["tools"]?.array?.first?.text() ?? "") + renderMarked($0, generation: $1) },
      endTokens: [3],
      endText: "<end>", limits: try LengthLimits())
    let conversation =
      #"{"prompt": [{"role": "user", "content": "q"}], "chosen": [{"role": "assistant", "content": "a"}], "rejected": [{"role": "assistant", "content": "b"}], "tools": "[7]"}"#
    let pair = try tokenizer.tokenize(FormatTests.row(conversation))
    #expect(pair.prompt.starts(with: CharacterTokenizer.ids("7<start>user:q")))
    let plain = try tokenizer.tokenize(FormatTests.row(#"{"prompt": "<s>Q:", "chosen": "a", "rejected": "b"}"#))
    #expect(plain.prompt == [1] + CharacterTokenizer.ids("Q:"))
    #expect(plain.repairs == .secondBeginToken)
  }
}
