import OrderedJSON
import PreferenceData
import RunFolder
import Testing

@Suite struct PairTokenizerTests {
  static func row(_ prompt: Passage, _ chosen: Passage, _ rejected: Passage, row: Int = 0) -> PreferenceRow {
    PreferenceRow(row: row, place: "f:\(row + 1)", prompt: prompt, chosen: chosen, rejected: rejected)
  }

  static func conversation(_ prompt: String, _ chosen: String, _ rejected: String, row: Int = 0) -> PreferenceRow {
    Self.row(.messages([user(prompt)]), .messages([assistant(chosen)]), .messages([assistant(rejected)]), row: row)
  }

  static func tokenizer(
    _ characters: CharacterTokenizer = CharacterTokenizer(), limits: LengthLimits? = nil, endTokens: Set<Int32> = [3],
    render: @escaping PairTokenizer.Render = { renderMarked($0, generation: $1) }
  ) throws -> PairTokenizer {
    PairTokenizer(
      encode: { characters.encode($0, $1) }, render: render, endTokens: endTokens, endText: "<end>",
      limits: try limits ?? LengthLimits())
  }

  let ids = CharacterTokenizer.ids

  @Test func scoresResponseAndEndOfTurn() throws {
    let pair = try Self.tokenizer().tokenize(Self.conversation("hi", "yes", "yo"))
    #expect(pair.prompt == ids("<start>user:hi<end>\n<start>assistant:"))
    #expect(pair.chosen == Response(tokens: ids("yes<end>")))
    #expect(pair.rejected == Response(tokens: ids("yo<end>")))
    #expect(pair.tokenCount == pair.prompt.count + 7)
    #expect(pair.truncation == [])
  }

  @Test func neverAddsASecondBeginToken() throws {
    let begun = try Self.tokenizer(render: { "<s>" + renderMarked($0, generation: $1) })
      .tokenize(Self.conversation("hi", "yes", "no"))
    #expect(begun.prompt.count { $0 == 1 } == 1)
    let plain = try Self.tokenizer().tokenize(Self.row(.text("Q:"), .text(" yes"), .text(" no<end>")))
    #expect(plain.prompt == [1] + ids("Q:"))
    #expect(plain.chosen.tokens == ids(" yes<end>"))
    #expect(plain.rejected.tokens == ids(" no<end>"))
  }

  @Test func followsTemplatesWhosePromptIsNoPrefix() throws {
    // The header opens a thought that a finished turn does not show.
    let stripping = try Self.tokenizer(
      render: { renderMarked($0, header: "<start>assistant:<think>", generation: $1) }
    ).tokenize(Self.conversation("hi", "yes", "no"))
    #expect(stripping.prompt == ids("<start>user:hi<end>\n<start>assistant:"))
    #expect(stripping.chosen == Response(tokens: ids("yes<end>")))
    // Generation is announced at the front, so only the rendering without header tells where the prompt ends.
    let announcing = try Self.tokenizer(
      render: { ($1 ? "!" : "?") + renderMarked($0, generation: $1) }
    ).tokenize(Self.conversation("hi", "yes", "no"))
    #expect(announcing.prompt == ids("?<start>user:hi<end>\n"))
    #expect(announcing.chosen == Response(tokens: ids("<start>assistant:yes<end>")))
  }

  @Test func scoresTokensThatReachOverTheBoundary() throws {
    let characters = CharacterTokenizer(merges: [":y"])
    let pair = try Self.tokenizer(characters).tokenize(Self.conversation("hi", "yes", "no"))
    #expect(pair.prompt == ids("<start>user:hi<end>\n<start>assistant"))
    #expect(pair.chosen == Response(tokens: [100] + ids("es<end>"), scoredFrom: 0))
    // The colon is this side's prompt alone: it is not scored.
    #expect(pair.rejected == Response(tokens: ids(":no<end>"), scoredFrom: 1))
    #expect(pair.rejected.scored.elementsEqual(ids("no<end>")))
  }

  @Test func dropsBlanksWhereATemplateWritesNoEndToken() throws {
    let pair = try Self.tokenizer(
      render: { messages, generation in
        messages.map { "\($0["role"]!.string!):\($0["content"]!.string!)\n\n" }.joined()
          + (generation ? "assistant:" : "")
      }
    ).tokenize(Self.conversation("hi", "yes", "no"))
    #expect(pair.chosen.tokens == ids("yes"))
    #expect(pair.rejected.tokens == ids("no"))
  }

  @Test func refusesRowsThatCannotBeScored() throws {
    let plain = try Self.tokenizer(CharacterTokenizer(addsBegin: false))
    expectError(
      .badData,
      "f:1: no prompt token comes before both responses: the prompt is empty, or the template renders it otherwise"
    ) { try plain.tokenize(Self.row(.text(""), .text("a"), .text("b"))) }
    let deaf = try Self.tokenizer(render: { messages, generation in
      renderMarked(messages.filter { $0["role"] == "user" }, generation: true)
    })
    expectError(.badData, "f:1: the response in `chosen` has no token that is scored") {
      try deaf.tokenize(Self.conversation("hi", "yes", "no"))
    }
    let raising = try Self.tokenizer(render: { _, _ in throw TregError.badData(at: "template", "roles must alternate") }
    )
    expectError(.badData, "f:1: template: roles must alternate") {
      try raising.tokenize(Self.conversation("hi", "yes", "no"))
    }
    let untemplated = PairTokenizer(
      encode: { CharacterTokenizer().encode($0, $1) }, render: nil, endTokens: [3], endText: nil,
      limits: try LengthLimits())
    expectError(
      .badData, "f:1: the row is a conversation, but the model has no chat template; give one, or rows of plain text"
    ) { try untemplated.tokenize(Self.conversation("hi", "yes", "no")) }
  }

  // "<start>user:hello<end>\n<start>assistant:" is 24 tokens.
  @Test func cutsPromptsAtTheirLeftAndResponsesAtTheirRight() throws {
    let row = Self.conversation("hello", "abcdefgh", "xyz")
    let whole = try Self.tokenizer().tokenize(row)
    #expect(whole.prompt.count == 24)
    func cut(_ maxLength: Int, _ maxPromptLength: Int?) throws -> TokenizedPair {
      try Self.tokenizer(limits: LengthLimits(maxLength: maxLength, maxPromptLength: maxPromptLength)).tokenize(row)
    }
    #expect(try cut(33, 5) == whole)

    let prompt = try cut(32, 20)
    #expect(prompt.truncation == .prompt)
    #expect(prompt.prompt.elementsEqual(whole.prompt.suffix(20)))
    #expect(prompt.chosen == whole.chosen && prompt.rejected == whole.rejected)

    let response = try cut(32, nil)
    #expect(response.truncation == .chosen)
    #expect(response.prompt == whole.prompt)
    #expect(response.chosen.tokens == ids("abcdefgh"))
    #expect(response.rejected == whole.rejected)

    let both = try cut(10, 8)
    #expect(both.truncation == [.prompt, .chosen, .rejected])
    #expect(both.prompt.elementsEqual(whole.prompt.suffix(8)))
    #expect(both.chosen.tokens == ids("ab") && both.rejected.tokens == ids("xy"))

    expectError(.badData, "f:1: the prompt of 24 tokens leaves no room for a response within max_length 24") {
      try cut(24, nil)
    }
    let alike = Self.conversation("hello", "same end", "same and")
    expectError(.badData, "f:1: `chosen` and `rejected` are identical within max_length") {
      try Self.tokenizer(limits: LengthLimits(maxLength: 29)).tokenize(alike)
    }
  }

  @Test func namesTheWrongLimit() {
    expectError(.configuration, "max_length: expected a number of at least 2, found 1") {
      try LengthLimits(maxLength: 1)
    }
    expectError(.configuration, "max_prompt_length: expected a number of at least 1, found 0") {
      try LengthLimits(maxPromptLength: 0)
    }
    expectError(.configuration, "max_prompt_length: expected less than max_length (8), found 8") {
      try LengthLimits(maxLength: 8, maxPromptLength: 8)
    }
  }

  @Test func keysTellPairsApart() throws {
    let tokenizer = try Self.tokenizer()
    let first = try tokenizer.tokenize(Self.conversation("hi", "yes", "no"))
    #expect(try tokenizer.tokenize(Self.conversation("hi", "yes", "no")).key == first.key)
    #expect(try tokenizer.tokenize(Self.conversation("hi", "yes", "no", row: 1)).key != first.key)
    #expect(try tokenizer.tokenize(Self.conversation("hi", "no", "yes")).key != first.key)
    let source = first.source
    let whole = TokenizedPair(
      source: source, prompt: [5], chosen: Response(tokens: [6, 7]), rejected: Response(tokens: [8]))
    let shifted = TokenizedPair(
      source: source, prompt: [5], chosen: Response(tokens: [6, 7], scoredFrom: 1), rejected: Response(tokens: [8]))
    let moved = TokenizedPair(
      source: source, prompt: [5, 6], chosen: Response(tokens: [7]), rejected: Response(tokens: [8]))
    #expect(Set([whole.key, shifted.key, moved.key]).count == 3)
    #expect(first.key.description.count == 32)
  }

  @Test func sharesWorkOverThreadsInOrder() throws {
    let tokenizer = try Self.tokenizer()
    let rows = (0..<100).map { index in
      Self.conversation("question \(index)", index % 10 == 3 ? "no" : "yes \(index)", "no", row: index)
    }
    let single = try tokenizer.tokenize(rows, badRows: .skip, threads: 1)
    let several = try tokenizer.tokenize(rows, badRows: .skip, threads: 3)
    #expect(try single.pairs.pairs(at: 0..<90) == several.pairs.pairs(at: 0..<90))
    #expect(single.contentHash == several.contentHash)
    #expect(single.pairs.allCounts.map(\.row) == (0..<100).filter { $0 % 10 != 3 })
    #expect(several.skipped.count == 10)
    #expect(several.skipped.reasons.first == "f:4: `chosen` and `rejected` are identical as tokens")
    #expect(several.skipped.reasons.count == SkippedRows.reasonLimit)
    expectError(.badData, "f:4: `chosen` and `rejected` are identical as tokens") {
      try tokenizer.tokenize(rows, threads: 3)
    }
    expectError(
      .badData, "none of 1 rows can be used; the first: f:4: `chosen` and `rejected` are identical as tokens"
    ) { try tokenizer.tokenize([rows[3]], badRows: .skip) }
  }
}
