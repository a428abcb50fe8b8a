import OrderedJSON
import PreferenceData
import RunFolder

/// Makes the better and the worse prompt of a response as tokens.
///
/// The conversation that the template describes is rendered with the header of an assistant's turn and tokenised on its
/// own; the response's own tokens follow it unchanged when it is scored. Decisions that the method leaves open:
///
/// - Of a conversation of several turns, x is all but the last response; `{instruction}` is its last user turn.
/// - A chat template that refuses a system turn gets its text at the head of the first user turn instead.
/// - Rows of plain text (base models, no chat template) get a plain frame: the prompt and the response as they are, each
///   message of the contrastive template set off by blank lines.
/// - A prompt that with the response passes the model's context has the shown response cut at its right; when nothing
///   shown is left to cut, the prompt is cut at its left. Both are counted.
package struct ContrastivePrompter: Sendable {
  /// Tokens of the two prompts, and whether something was cut.
  package struct Prompts: Sendable, Equatable {
    package let better: [Int32]
    package let worse: [Int32]
    package let isCut: Bool
  }

  package let template: ContrastiveTemplate
  private let tokenizer: PairTokenizer
  private let contextLimit: Int

  /// - Parameter contextLimit: tokens that prompt and response may have together.
  package init(template: ContrastiveTemplate, tokenizer: PairTokenizer, contextLimit: Int) {
    self.template = template
    self.tokenizer = tokenizer
    self.contextLimit = contextLimit
  }

  /// The prompts of one response of a row.
  ///
  /// - Parameters:
  ///   - prompt, response: passages of the row.
  ///   - responseCount: scored tokens of the response.
  ///   - variables: of the row, for the chat template.
  /// - Throws: bad data (65) when the chat template refuses the conversation.
  package func prompts(
    prompt: Passage, response: Passage, responseCount: Int, variables: JSONObject = [:]
  ) throws -> Prompts {
    let room = contextLimit - responseCount
    func render(shown: Passage) throws -> (better: [Int32], worse: [Int32]) {
      (
        try tokens(prompt: prompt, response: shown, criteria: template.better, variables: variables),
        try tokens(prompt: prompt, response: shown, criteria: template.worse, variables: variables)
      )
    }
    let whole = try render(shown: response)
    if max(whole.better.count, whole.worse.count) <= room {
      return Prompts(better: whole.better, worse: whole.worse, isCut: false)
    }
    guard room > 0 else {
      throw TregError.badData(
        at: nil, "a response of \(responseCount) tokens leaves no room in a context of \(contextLimit)")
    }
    // The longest shown text that fits, found by halving; the number of tokens grows with the text but for a few.
    var fits = 0
    var fails = response.characterCount
    var best: (better: [Int32], worse: [Int32])?
    while fails - fits > 1 {
      let middle = (fits + fails) / 2
      let candidate = try render(shown: response.prefix(middle))
      if max(candidate.better.count, candidate.worse.count) <= room {
        fits = middle
        best = candidate
      } else {
        fails = middle
      }
    }
    let cut = try best ?? render(shown: response.prefix(0))
    return Prompts(better: Array(cut.better.suffix(room)), worse: Array(cut.worse.suffix(room)), isCut: true)
  }

  private func tokens(
    prompt: Passage, response: Passage, criteria: String, variables: JSONObject
  ) throws -> [Int32] {
    switch (prompt, response) {
    case (.messages(let prompt), .messages(let response)):
      let messages = conversation(prompt: prompt, response: response, criteria: criteria)
      return try tokenizer.encodePrompt(messages, variables: variables)
    case (.text(let prompt), .text(let response)):
      return try tokenizer.encodePlain(plainFrame(prompt: prompt, response: response, criteria: criteria))
    default: preconditionFailure("the passages of a row are of one kind")
    }
  }

  private func conversation(prompt: [Message], response: [Message], criteria: String) -> [JSONValue] {
    let lastUser = prompt.lastIndex { $0.role == "user" } ?? prompt.count - 1
    let instruction = prompt[lastUser].content
    let shown = response.map(\.content).joined(separator: "\n\n")
    var messages: [JSONValue] = []
    for part in template.parts {
      switch part {
      case .prompt: append(prompt.map(\.raw), to: &messages)
      case .history: append(prompt[..<lastUser].map(\.raw), to: &messages)
      case .response: messages += response.map(\.raw)
      case .message(let role, let content):
        let text = Self.fill(content, instruction: instruction, response: shown, criteria: criteria)
        append([["role": .string(role), "content": .string(text)]], to: &messages)
      }
    }
    return messages
  }

  /// Two system turns in a row become one: templates know a single one, at the start.
  private func append(_ turns: [JSONValue], to messages: inout [JSONValue]) {
    for turn in turns {
      if turn["role"] == "system", let last = messages.last, last["role"] == "system",
        let first = last["content"]?.string, let second = turn["content"]?.string
      {
        messages[messages.count - 1] = ["role": "system", "content": .string(second + "\n\n" + first)]
      } else {
        messages.append(turn)
      }
    }
  }

  private func plainFrame(prompt: String, response: String, criteria: String) -> String {
    var text = ""
    for part in template.parts {
      switch part {
      case .prompt: text += prompt
      case .history: break
      case .response: text += response
      case .message(_, let content):
        if !text.isEmpty { text += "\n\n" }
        text += Self.fill(content, instruction: prompt, response: response, criteria: criteria) + "\n\n"
      }
    }
    return text
  }

  /// Fills the placeholders in one pass, so that braces in the row's own text stay as they are.
  static func fill(_ content: String, instruction: String, response: String, criteria: String) -> String {
    var result = ""
    var rest = content[...]
    let values = ["{instruction}": instruction, "{response}": response, "{criteria}": criteria]
    while let brace = rest.firstIndex(of: "{") {
      result += rest[..<brace]
      rest = rest[brace...]
      if let (name, value) = values.first(where: { rest.hasPrefix($0.key) }) {
        result += value
        rest = rest.dropFirst(name.count)
      } else {
        result += "{"
        rest = rest.dropFirst()
      }
    }
    return result + rest
  }
}

extension Passage {
  fileprivate var characterCount: Int {
    switch self {
    case .text(let text): text.unicodeScalars.count
    case .messages(let messages): messages.map(\.content.unicodeScalars.count).reduce(0, +)
    }
  }

  /// The passage cut at its right to a number of characters.
  fileprivate func prefix(_ count: Int) -> Passage {
    switch self {
    case .text(let text): return .text(String(text.unicodeScalars.prefix(count)))
    case .messages(let messages):
      var left = count
      return .messages(
        messages.map { message in
          let content = String(message.content.unicodeScalars.prefix(left))
          left = max(0, left - message.content.unicodeScalars.count)
          return Message(role: message.role, content: content)
        })
    }
  }
}

extension PairTokenizer {
  /// The tokens of a conversation that an assistant's turn is to follow.
  ///
  /// A template that refuses a system turn gets its text at the head of the first user turn.
  func encodePrompt(_ messages: [JSONValue], variables: JSONObject) throws -> [Int32] {
    guard let render else {
      throw TregError.badData(at: nil, "the model has no chat template, and the row is a conversation")
    }
    do {
      return try encode(render(messages, true, variables), false)
    } catch let refusal as TregError {
      guard messages.first?["role"] == "system", let system = messages[0]["content"]?.string,
        messages.count > 1, messages[1]["role"] == "user", let user = messages[1]["content"]?.string
      else { throw refusal }
      let first: JSONValue = ["role": "user", "content": .string(system + "\n\n" + user)]
      return try encode(render([first] + messages.dropFirst(2), true, variables), false)
    }
  }

  func encodePlain(_ text: String) throws -> [Int32] { try encode(text, true) }
}
