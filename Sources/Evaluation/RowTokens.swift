import OrderedJSON
import PreferenceData
import Scoring
import Tokenization

/// The tokens of a row one by one, each with what the trainer makes of it.
struct RowTokens {
  enum Part: String {
    /// Written by the chat template or the tokenizer.
    case template
    /// The user's own text in the prompt.
    case prompt
    /// What the loss is about.
    case scored
  }

  struct Item {
    let token: Int32
    /// What people see; see ``TokenTexts``.
    let text: String
    /// In the sequence that the model reads.
    let position: Int
    let part: Part
    let reference: Float?
    let reward: Float?
  }

  struct Side {
    let items: [Item]
    /// How many of its first tokens the other side has as well: they are computed once.
    let sharedCount: Int
    let meanReference: Double?
    let meanReward: Double?

    var scoredCount: Int { items.count { $0.part == .scored } }
  }

  let pair: TokenizedPair
  let prompt: [Item]
  let chosen: Side
  let rejected: Side

  /// - Parameter scores: nil where the row was not scored.
  init(_ pair: TokenizedPair, scores: RowScores?, tokenizer: Tokenizer) {
    self.pair = pair
    let parts = PromptText(pair, tokenizer).parts
    let texts = TokenTexts.of(pair.prompt, tokenizer)
    prompt = pair.prompt.indices.map { index in
      Item(
        token: pair.prompt[index], text: texts[index], position: index, part: parts[index], reference: nil, reward: nil)
    }
    let shared = zip(pair.chosen.tokens, pair.rejected.tokens).prefix { $0 == $1 }.count
    func side(_ response: Response, _ scores: ResponseScores?, sharedCount: Int) -> Side {
      let texts = TokenTexts.of(response.tokens, tokenizer)
      let rewards = scores?.rewards ?? []
      let items = response.tokens.indices.map { index in
        let place = index - response.scoredFrom
        return Item(
          token: response.tokens[index], text: texts[index], position: pair.prompt.count + index,
          part: place < 0 ? .template : .scored,
          reference: place >= 0 ? scores?.reference[place] : nil,
          reward: rewards.indices.contains(place) ? rewards[place] : nil)
      }
      func mean(_ values: [Float]) -> Double? {
        values.isEmpty ? nil : values.reduce(0.0) { $0 + Double($1) } / Double(values.count)
      }
      return Side(
        items: items, sharedCount: sharedCount, meanReference: mean(scores?.reference ?? []), meanReward: mean(rewards))
    }
    chosen = side(pair.chosen, scores?.chosen, sharedCount: 0)
    rejected = side(pair.rejected, scores?.rejected, sharedCount: shared)
  }

  /// What `max_length` cut off, by name.
  var truncated: [String] {
    let parts: [(Truncation, String)] = [(.prompt, "prompt"), (.chosen, "chosen"), (.rejected, "rejected")]
    return parts.filter { pair.truncation.contains($0.0) }.map(\.1)
  }

  var json: JSONValue {
    func object(_ items: [Item]) -> JSONObject {
      [
        "tokens": .array(items.map { .integer(Int($0.token)) }), "texts": .array(items.map { .string($0.text) }),
        "parts": .array(items.map { .string($0.part.rawValue) }),
      ]
    }
    func side(_ side: Side) -> JSONValue {
      var members = object(side.items)
      members["shared_with_chosen"] = .integer(side.sharedCount)
      let scored = side.items.filter { $0.part == .scored }
      members["reference_logprobs"] = .array(scored.compactMap(\.reference).map { .number(Double($0)) })
      members["rewards"] = .array(scored.compactMap(\.reward).map { .number(Double($0)) })
      return .object(members)
    }
    return [
      "row": .integer(pair.row), "place": .string(pair.source.place),
      "truncated": .array(truncated.map { .string($0) }),
      "repaired": .array(pair.repairs.names.map { .string($0) }), "prompt": .object(object(prompt)), "chosen": side(chosen),
      "rejected": side(rejected),
    ]
  }
}

/// Which tokens of a prompt hold its messages' own text; all others come from the chat template.
private struct PromptText {
  let parts: [RowTokens.Part]

  init(_ pair: TokenizedPair, _ tokenizer: Tokenizer) {
    let pieces = pair.prompt.map { tokenizer.bytes(of: $0) ?? [] }
    let whole = pieces.flatMap(\.self)
    let contents: [[UInt8]]
    switch pair.source.prompt {
    case .text(let text): contents = [Array(text.utf8)]
    case .messages(let messages): contents = messages.map { Self.trimmed(Array($0.content.utf8)) }
    }
    var ranges: [Range<Int>] = []
    var from = 0
    for content in contents where !content.isEmpty {
      if let start = Self.find(content, in: whole, from: from) {
        ranges.append(start..<start + content.count)
      } else if ranges.isEmpty, pair.truncation.contains(.prompt),
        let count = (1..<content.count).reversed().first(where: { whole.starts(with: content.suffix($0)) })
      {
        // The prompt was cut inside of this message.
        ranges.append(0..<count)
      }
      from = ranges.last?.upperBound ?? 0
    }
    // A tokenizer that normalises shows other bytes than the file has: then only special tokens are known to be none of it.
    let isUnknown = ranges.isEmpty && contents.contains { !$0.isEmpty }
    var start = 0
    var parts: [RowTokens.Part] = []
    for (token, piece) in zip(pair.prompt, pieces) {
      let own = start..<start + piece.count
      start += piece.count
      let isText =
        isUnknown ? !tokenizer.isSpecial(token) : ranges.contains { $0.overlaps(own) && !tokenizer.isSpecial(token) }
      parts.append(isText ? .prompt : .template)
    }
    self.parts = parts
  }

  /// Templates trim messages, as a rule.
  private static func trimmed(_ text: [UInt8]) -> [UInt8] {
    func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
    guard let first = text.firstIndex(where: { !isBlank($0) }), let last = text.lastIndex(where: { !isBlank($0) })
    else { return [] }
    return Array(text[first...last])
  }

  private static func find(_ text: [UInt8], in whole: [UInt8], from: Int) -> Int? {
    guard whole.count >= from + text.count else { return nil }
    return (from...whole.count - text.count).first { start in
      whole[start] == text[0] && whole[start..<start + text.count].elementsEqual(text)
    }
  }
}
