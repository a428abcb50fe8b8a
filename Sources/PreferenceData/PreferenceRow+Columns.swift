import OrderedJSON
import RunFolder

extension PreferenceRow {
  /// Reads one row from TRL's preference columns.
  ///
  /// Accepted are `prompt`, `chosen` and `rejected` as three strings or three lists of messages; `chosen` and `rejected`
  /// alone as lists of messages, whose common leading turns are the prompt; the same with a string `prompt` that repeats
  /// a user's turn of theirs; `chosen` and `rejected` alone as "Human: … Assistant: …" text. Other columns are ignored.
  ///
  /// - Throws: bad data (65) at `place` when columns are missing or of mixed kinds, when a response is empty, when the
  ///   two are identical, or when more than the assistant's last turns tell them apart.
  package init(columns: JSONValue, row: Int, place: String) throws {
    let reader = ColumnReader(columns: columns, place: place)
    let (prompt, chosen, rejected) = try reader.passages()
    for (passage, column) in [(chosen, "chosen"), (rejected, "rejected")] where passage.isBlank {
      throw TregError.badData(at: place, "the response in `\(column)` is empty")
    }
    if chosen.isSame(as: rejected) { throw TregError.badData(at: place, "`chosen` and `rejected` are identical") }
    self.init(row: row, place: place, prompt: prompt, chosen: chosen, rejected: rejected)
  }
}

extension Passage {
  fileprivate var isBlank: Bool {
    switch self {
    case .text(let text): text.allSatisfy(\.isWhitespace)
    case .messages(let messages): messages.allSatisfy { $0.content.allSatisfy(\.isWhitespace) }
    }
  }

  fileprivate func isSame(as other: Passage) -> Bool {
    switch (self, other) {
    case (.text(let mine), .text(let theirs)): mine.isSameText(as: theirs)
    case (.messages(let mine), .messages(let theirs)):
      mine.count == theirs.count && zip(mine, theirs).allSatisfy { $0.isSameTurn(as: $1) }
    default: false
    }
  }
}

private struct ColumnReader {
  typealias Passages = (prompt: Passage, chosen: Passage, rejected: Passage)

  let columns: JSONValue
  let place: String

  func error(_ message: String) -> TregError { TregError.badData(at: place, message) }

  func passages() throws -> Passages {
    guard let members = columns.object else { throw error("expected an object, found \(columns.kind)") }
    let found = members.isEmpty ? "none" : members.keys.joined(separator: ", ")
    func column(_ name: String) throws -> Passage {
      guard let value = members[name], !value.isNull else {
        throw error("row without `\(name)`: expected columns prompt, chosen, rejected; found: \(found)")
      }
      return try passage(value, column: name)
    }
    let chosen = try column("chosen")
    let rejected = try column("rejected")
    let prompt = try members["prompt"].flatMap { $0.isNull ? nil : try passage($0, column: "prompt") }
    switch (prompt, chosen, rejected) {
    case (.text(let text)?, .text, .text):
      return (.text(text), chosen, rejected)
    case (.messages(let prompt)?, .messages(let chosen), .messages(let rejected)):
      guard !prompt.isEmpty else { throw error("the list in `prompt` is empty") }
      return try split(leading: prompt, chosen: chosen, rejected: rejected)
    case (nil, .messages(let chosen), .messages(let rejected)):
      return try implicit(chosen: chosen, rejected: rejected)
    case (.text(let text)?, .messages(let chosen), .messages(let rejected)):
      let passages = try implicit(chosen: chosen, rejected: rejected, shared: "repeat the text of `prompt`")
      guard case .messages(let prompt) = passages.prompt,
        prompt.contains(where: { $0.role == "user" && $0.content.isSameText(as: text) })
      else {
        throw error("`prompt` is a string that no user's turn of `chosen` repeats: expected a list of messages")
      }
      return passages
    case (nil, .text(let chosen), .text(let rejected)):
      guard let chosen = HumanAssistantText.turns(of: chosen), let rejected = HumanAssistantText.turns(of: rejected)
      else {
        throw error(
          "row without `prompt`: expected it, or `chosen` and `rejected` as lists of messages or as"
            + " \"Human: … Assistant: …\" text")
      }
      return try implicit(chosen: chosen, rejected: rejected)
    default:
      func kind(_ passage: Passage) -> String { if case .text = passage { "a string" } else { "a list" } }
      throw error(
        "columns of mixed kinds: "
          + [
            prompt.map { "`prompt` is " + kind($0) }, "`chosen` is " + kind(chosen), "`rejected` is " + kind(rejected),
          ]
          .compactMap { $0 }.joined(separator: ", "))
    }
  }

  func passage(_ value: JSONValue, column: String) throws -> Passage {
    switch value {
    case .string(let text): return .text(text)
    case .array(let elements): return .messages(try elements.map { try message($0, column: column) })
    default: throw error("`\(column)`: expected a string or a list of messages, found \(value.kind)")
    }
  }

  func message(_ value: JSONValue, column: String) throws -> Message {
    guard let members = value.object else {
      throw error("`\(column)`: expected messages with `role` and `content`, found \(value.kind)")
    }
    guard let role = members["role"], let content = members["content"] else {
      throw error(
        "`\(column)`: a message needs `role` and `content`; found: \(members.keys.joined(separator: ", "))")
    }
    guard let role = role.string, let content = content.string else {
      throw error(
        "`\(column)`: expected `role` and `content` of a message as strings, found \(role.kind) and \(content.kind)")
    }
    return Message(role: role, content: content, raw: value)
  }

  /// Splits two whole conversations at message level: what they share at their start is the prompt.
  func implicit(chosen: [Message], rejected: [Message], shared: String = "share leading turns") throws -> Passages {
    let common = zip(chosen, rejected).prefix { $0.isSameTurn(as: $1) }.count
    if common == chosen.count, common == rejected.count, common > 0 {
      throw error("`chosen` and `rejected` are identical")
    }
    guard common > 0 else { throw error("row without `prompt`: expected `chosen` and `rejected` that \(shared)") }
    guard common < chosen.count, common < rejected.count else {
      let side = common == chosen.count ? "chosen" : "rejected"
      throw error("`\(side)` has no turn beyond those that both share: its response is empty")
    }
    return try split(
      leading: Array(chosen[..<common]), chosen: Array(chosen[common...]), rejected: Array(rejected[common...]))
  }

  func split(leading prompt: [Message], chosen: [Message], rejected: [Message]) throws -> Passages {
    for (response, column) in [(chosen, "chosen"), (rejected, "rejected")] {
      guard !response.isEmpty else { throw error("the response in `\(column)` is empty") }
      // Scoring the words of users or tools would train the model to speak for them.
      if let other = response.first(where: { $0.role != "assistant" }) {
        throw error(
          "`\(column)`: expected only assistant turns after the prompt that both share, found a turn of \"\(other.role)\""
        )
      }
    }
    return (.messages(prompt), .messages(chosen), .messages(rejected))
  }
}
