import ChatTemplates
import OrderedJSON
import RunFolder
import Tokenization

/// Turns rows into tokens and finds which of them are scored.
///
/// **Conversations** are rendered whole by the chat template, once with each response, and tokenised without adding
/// special tokens, because the template writes them. The prompt is rendered alone too, with the header of the assistant's
/// turn and, should that be no prefix, without it. Scoring starts where the tokens of the whole conversation leave those
/// of the rendered prompt (the later of the two places), as in TRL; so it is right also where a template renders the
/// prompt alone differently or where a token reaches over the boundary. Scoring ends with the last end token; template text after it is dropped. A
/// template that writes no end token is scored up to its last character that is no blank.
///
/// **Plain text** is tokenised as prompt + response + the end token's text, with the special tokens the tokenizer
/// adds of its own accord, and without a template, as TRL treats string columns.
package struct PairTokenizer: Sendable {
  /// `text, addingSpecialTokens` → token ids.
  package typealias Encode = @Sendable (String, Bool) throws -> [Int32]
  /// `messages, addGenerationPrompt` → text.
  package typealias Render = @Sendable ([JSONValue], Bool) throws -> String
  /// `messages, addGenerationPrompt, variables of the row` → text.
  package typealias RenderWithVariables = @Sendable ([JSONValue], Bool, JSONObject) throws -> String

  package let encode: Encode
  /// nil: the model has no chat template.
  package let render: RenderWithVariables?
  let endTokens: Set<Int32>
  let endText: String?
  /// The token that the tokenizer itself puts first; nil: none.
  let beginToken: Int32?
  let limits: LengthLimits
  /// Hash of all that decides which tokens a row becomes; nil: not known, so that tokens are not kept for later runs.
  let identity: String?

  /// - Parameters:
  ///   - render: the chat template; nil for models without one, which then take plain text only.
  ///   - endTokens: all tokens that end a turn: those of the model's configuration and the tokenizer's own.
  ///   - endText: the text of the tokenizer's end token, appended to responses of plain text; nil appends nothing.
  ///   - identity: hash of what `encode` and `render` do.
  package init(
    encode: @escaping Encode, renderWithVariables render: RenderWithVariables?, endTokens: Set<Int32>, endText: String?,
    limits: LengthLimits, identity: String? = nil
  ) {
    self.encode = encode
    self.render = render
    self.endTokens = endTokens
    self.endText = endText
    self.limits = limits
    self.identity = identity
    beginToken = (try? encode("", true))?.first
  }

  /// A tokenizer whose template knows messages alone.
  package init(
    encode: @escaping Encode, render: Render?, endTokens: Set<Int32>,
    endText: String?, limits: LengthLimits
  ) {
    var withVariables: RenderWithVariables?
    if let render { withVariables = { messages, generates, _ in try render(messages, generates) } }
    self.init(
      encode: encode, renderWithVariables: withVariables, endTokens: endTokens, endText: endText, limits: limits)
  }

  /// - Parameters:
  ///   - templateVariables: what the template sees beside the messages: `bos_token`, `eos_token` …
  ///   - endToken: the tokenizer's end token, in its text form.
  ///   - endTokens: further tokens that end a turn, from the model's configuration.
  ///   - sourceHash: hash of the tokenizer's and the template's source; nil: tokens are not kept for later runs.
  package init(
    tokenizer: Tokenizer, template: ChatTemplate?, templateVariables: [String: JSONValue] = [:], endToken: String?,
    endTokens: some Sequence<Int> = [], limits: LengthLimits, sourceHash: String? = nil
  ) {
    var ends = Set(endTokens.compactMap { Int32(exactly: $0) })
    if let endToken, let id = tokenizer.id(of: endToken) { ends.insert(id) }
    var render: RenderWithVariables?
    if let template {
      render = { messages, generates, ownVariables in
        var variables = templateVariables
        for (name, value) in ownVariables { variables[name] = value }
        return try template.render(messages: messages, addGenerationPrompt: generates, variables: variables)
      }
    }
    var identity: String?
    if let sourceHash {
      var parts = [sourceHash, endToken ?? "none", ends.sorted().description]
      parts += templateVariables.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.text())" }
      // A template that tells the date tells it here, too: tokens of another day are not taken for today's.
      parts += [true, false].map { (try? render?([["role": "user", "content": "?"]], $0, [:])) ?? "none" }
      var hash = ContentHash()
      for part in parts {
        hash.update(part.utf8.count)
        hash.update(part)
      }
      identity = hash.hexadecimal
    }
    self.init(
      encode: { try tokenizer.encode($0, addingSpecialTokens: $1) }, renderWithVariables: render, endTokens: ends,
      endText: endToken, limits: limits, identity: identity)
  }

  /// The tokens of one row.
  ///
  /// - Throws: bad data (65) at the row's place: the template or the tokenizer refuses it, nothing of a response is
  ///   left to be scored, or both responses become the same tokens.
  package func tokenize(_ row: PreferenceRow) throws -> TokenizedPair {
    var sides: (prompts: [[Int32]], chosen: [Int32], rejected: [Int32])
    var repairs = row.repairs
    do {
      switch (row.prompt, row.chosen, row.rejected) {
      case (.messages(let prompt), .messages(let chosen), .messages(let rejected)):
        sides = try conversations(
          prompt: prompt, chosen: chosen, rejected: rejected, variables: row.templateVariables)
      case (.text(let prompt), .text(let chosen), .text(let rejected)):
        sides = (
          [try encode(prompt, true)], try encode(prompt + ended(chosen), true),
          try encode(prompt + ended(rejected), true)
        )
        if let beginToken, sides.prompts[0].starts(with: [beginToken, beginToken]) {
          // The text has the begin token, too.
          sides = (
            [Array(sides.prompts[0].dropFirst())], Array(sides.chosen.dropFirst()), Array(sides.rejected.dropFirst())
          )
          repairs.insert(.secondBeginToken)
        }
      default: preconditionFailure("the passages of a row are of one kind")
      }
    } catch let error as TregError {
      throw TregError(.badData, at: row.place, error.place == row.place ? error.message : error.description)
    }
    let chosen = SpannedTokens(tokens: sides.chosen, prompts: sides.prompts, endTokens: endTokens)
    let rejected = SpannedTokens(tokens: sides.rejected, prompts: sides.prompts, endTokens: endTokens)
    return try limits.pair(of: row, chosen: chosen, rejected: rejected, repairs: repairs)
  }

  private func ended(_ response: String) -> String {
    guard let endText, !response.hasSuffix(endText) else { return response }
    return response + endText
  }

  private func conversations(
    prompt: [Message], chosen: [Message], rejected: [Message], variables: JSONObject
  ) throws -> (prompts: [[Int32]], chosen: [Int32], rejected: [Int32]) {
    guard let render else {
      throw TregError.badData(
        at: nil, "the row is a conversation, but the model has no chat template; give one, or rows of plain text")
    }
    let turns = prompt.map(\.raw)
    let withHeader = try encode(render(turns, true, variables), false)
    func whole(_ response: [Message]) throws -> [Int32] {
      let text = try render(turns + response.map(\.raw), false, variables)
      let tokens = try encode(text, false)
      if tokens.dropFirst(Self.commonPrefix(tokens, withHeader)).contains(where: endTokens.contains) { return tokens }
      let blanks = text.unicodeScalars.reversed().prefix { $0.properties.isWhitespace }.count
      return blanks == 0 ? tokens : try encode(String(text.unicodeScalars.dropLast(blanks)), false)
    }
    let (chosen, rejected) = (try whole(chosen), try whole(rejected))
    if chosen.starts(with: withHeader), rejected.starts(with: withHeader) { return ([withHeader], chosen, rejected) }
    return ([withHeader, try encode(render(turns, false, variables), false)], chosen, rejected)
  }

  static func commonPrefix(_ left: some Sequence<Int32>, _ right: some Sequence<Int32>) -> Int {
    var count = 0
    for (left, right) in zip(left, right) {
      if left != right { break }
      count += 1
    }
    return count
  }
}

/// One rendered conversation, cut after its last scored token.
struct SpannedTokens {
  var tokens: [Int32]
  /// The index of the first token that is scored; it equals `tokens.count` when none is.
  let scoredFrom: Int

  /// - Parameter prompts: renderings of the prompt alone.
  init(tokens: [Int32], prompts: [[Int32]], endTokens: Set<Int32>) {
    let scoredFrom = prompts.map { PairTokenizer.commonPrefix(tokens, $0) }.max() ?? 0
    self.tokens = tokens
    self.scoredFrom = scoredFrom
    if let end = tokens.lastIndex(where: endTokens.contains), end >= scoredFrom {
      self.tokens.removeSubrange((end + 1)...)
    }
  }
}
