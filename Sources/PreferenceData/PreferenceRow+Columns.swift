import OrderedJSON
import RunFolder

extension PreferenceRow {
  /// Reads one row from the columns of a preference data set.
  ///
  /// The responses are `chosen` and `rejected`, or stand under another of the pairs of names in ``RowColumns/responses``; each is
  /// a text, a list of messages, or one message. What comes before them is, the first that fits:
  ///
  /// - a list of messages in `prompt`, `messages` or `conversations`;
  /// - a text in `prompt`: to be continued by responses that are texts, or repeated by a user's turn in responses that are
  ///   whole conversations, or the user's turn before responses that are single turns;
  /// - a text in `instruction` (with `input` below it), `question` or `query`: a user's turn, after those of `history`;
  /// - nothing: then the prompt is what both responses begin with: turns, "Human: … Assistant: …" text, or characters.
  ///
  /// A text in `system` is the first turn. `tools`, a list or its JSON text, and the members of
  /// `chat_template_kwargs` go to the chat template. Other columns are ignored.
  /// What had to be set right is in ``repairs``.
  ///
  /// - Throws: bad data (65) at `place` when columns are missing or of mixed kinds, when a response is empty, when the
  ///   two are identical, or when more than the assistant's last turns tell them apart; for rows of other tasks, with advice.
  package init(
    columns: JSONValue, row: Int, place: String, origin: RowPlace = RowPlace(file: 0, suffix: "")
  ) throws {
    var reader = ColumnReader(columns: columns, place: place)
    let (prompt, chosen, rejected) = try reader.passages()
    for (passage, column) in [(chosen, reader.names.chosen), (rejected, reader.names.rejected)]
    where passage.isBlank {
      throw TregError.badData(at: place, "the response in `\(column)` is empty")
    }
    if chosen.isSame(as: rejected) { throw TregError.badData(at: place, reader.identical) }
    self.init(
      row: row, place: place, origin: origin, prompt: prompt, chosen: chosen, rejected: rejected,
      templateVariables: try reader.templateVariables(),
      repairs: reader.repairs.union(reader.messageReader.repairs))
  }
}

extension Passage {
  fileprivate var isBlank: Bool {
    switch self {
    case .text(let text): text.allSatisfy(\.isWhitespace)
    case .messages(let messages):
      messages.allSatisfy {
        $0.content.allSatisfy(\.isWhitespace) && $0.raw["tool_calls"]?.array?.isEmpty ?? true
      }
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
  var repairs: Repairs = []
  var messageReader: MessageReader
  /// The columns that hold the responses.
  var names = RowColumns.responses[0]

  init(columns: JSONValue, place: String) {
    self.columns = columns
    self.place = place
    messageReader = MessageReader(place: place)
  }

  var identical: String { "`\(names.chosen)` and `\(names.rejected)` are identical" }

  func error(_ message: String) -> TregError { TregError.badData(at: place, message) }

  mutating func passages() throws -> Passages {
    guard let members = columns.object else { throw error("expected an object, found \(columns.kind)") }
    guard let found = RowColumns.responses.last(where: { members.column($0.0) != nil && members.column($0.1) != nil })
    else { throw missing(members) }
    names = found
    let chosen = try passage(members[names.chosen]!, column: names.chosen)
    let rejected = try passage(members[names.rejected]!, column: names.rejected)
    let passages: Passages
    switch (chosen, rejected) {
    case (.messages(let chosen), .messages(let rejected)): passages = try turns(members, chosen, rejected)
    case (.text(let chosen), .text(let rejected)): passages = try texts(members, chosen, rejected)
    default:
      let prompt = members.column("prompt").map { "`prompt` is \($0.kind), " } ?? ""
      throw error(
        "columns of mixed kinds: \(prompt)`\(names.chosen)` is \(kind(chosen)), `\(names.rejected)` is \(kind(rejected))"
      )
    }
    return try withSystem(passages, members)
  }

  private func kind(_ passage: Passage) -> String { if case .text = passage { "a string" } else { "a list" } }

  private func missing(_ members: JSONObject) -> TregError {
    let found = members.isEmpty ? "none" : members.keys.joined(separator: ", ")
    if members["completion"] != nil, members["label"] != nil || members["kto_tag"] != nil {
      return error(
        "an unpaired row (`completion` with `label`, as for KTO); pairs are trained on: join a liked and a disliked "
          + "completion of one prompt into `prompt`, `chosen` and `rejected`")
    }
    let isHalf = RowColumns.responses.contains { members.column($0.0) != nil || members.column($0.1) != nil }
    let answers = ["messages", "conversations", "completion", "output", "response", "answer", "text", "kto_tag"]
    if !isHalf, let answer = answers.first(where: { members.column($0) != nil }) {
      let kind = members["kto_tag"] == nil ? "as for supervised fine-tuning" : "as for KTO"
      return error(
        "row without `chosen`: expected columns prompt, chosen, rejected; found: \(found) — one answer a row in "
          + "`\(answer)`, \(kind); pairs are trained on: each row needs a better and a worse response")
    }
    let absent = members.column("chosen") == nil ? "chosen" : "rejected"
    return error("row without `\(absent)`: expected columns prompt, chosen, rejected; found: \(found)")
  }

  // Texts as responses.

  private mutating func texts(_ members: JSONObject, _ chosen: String, _ rejected: String) throws -> Passages {
    func answers(_ prompt: [Message]) throws -> Passages {
      repairs.insert(.textAsTurns)
      return try split(
        leading: prompt, chosen: [Message(role: "assistant", content: chosen)],
        rejected: [Message(role: "assistant", content: rejected)])
    }
    if let (name, value) = members.first(of: RowColumns.conversations), let list = value.array {
      return try answers(messageReader.messages(list, column: name))
    }
    if let prompt = members.column("prompt") {
      guard let prompt = prompt.string else {
        throw error("`prompt`: expected a string or a list of messages, found \(prompt.kind)")
      }
      return try continued(prompt, chosen, rejected, isQuestion: members.first(of: RowColumns.systems) != nil)
    }
    if let (name, value) = members.first(of: RowColumns.questions) {
      guard var question = value.string else { throw error("`\(name)`: expected a string, found \(value.kind)") }
      if name == "instruction", let input = members.column("input")?.string, !input.isEmpty {
        question += "\n" + input
        repairs.insert(.joinedInput)
      }
      return try answers(history(members) + [Message(role: "user", content: question)])
    }
    if let chosen = HumanAssistantText.turns(of: chosen), let rejected = HumanAssistantText.turns(of: rejected) {
      repairs.insert(.humanAssistantText)
      return try implicit(chosen: chosen, rejected: rejected)
    }
    return try implicitText(chosen, rejected)
  }

  /// - Parameter isQuestion: a system text stands beside the prompt, which makes it a chat model's.
  private mutating func continued(
    _ prompt: String, _ chosen: String, _ rejected: String, isQuestion: Bool
  ) throws -> Passages {
    if HumanAssistantText.endsWithHeader(prompt), let better = HumanAssistantText.turns(of: prompt + chosen),
      let worse = HumanAssistantText.turns(of: prompt + rejected)
    {
      repairs.insert(.humanAssistantText)
      return try split(
        leading: Array(better.dropLast()), chosen: better.suffix(1), rejected: worse.suffix(1),
        sharing: worse.dropLast())
    }
    var (chosen, rejected) = (chosen, rejected)
    // A short prompt may begin a response by chance.
    let length = prompt.utf8.count
    if length >= 16, chosen.utf8.starts(with: prompt.utf8), rejected.utf8.starts(with: prompt.utf8) {
      chosen = String(decoding: chosen.utf8.dropFirst(length), as: UTF8.self)
      rejected = String(decoding: rejected.utf8.dropFirst(length), as: UTF8.self)
      repairs.insert(.repeatedPrompt)
    }
    guard isQuestion else { return (.text(prompt), .text(chosen), .text(rejected)) }
    repairs.insert(.textAsTurns)
    return (
      .messages([Message(role: "user", content: prompt)]), .messages([Message(role: "assistant", content: chosen)]),
      .messages([Message(role: "assistant", content: rejected)])
    )
  }

  /// As TRL extracts it: the common characters, but for a blank at their end and the last character of the shorter text.
  private mutating func implicitText(_ chosen: String, _ rejected: String) throws -> Passages {
    let (left, right) = (Array(chosen.unicodeScalars), Array(rejected.unicodeScalars))
    var common = zip(left, right).prefix { $0 == $1 }.count
    if common == left.count, common == right.count { throw error(identical) }
    common = min(common, left.count - 1, right.count - 1)
    if common > 0, left[common - 1] == " ", left[common] != right[common] { common -= 1 }
    guard common > 0 else {
      throw error(
        "row without `prompt`: expected it, or `\(names.chosen)` and `\(names.rejected)` as lists of messages or as"
          + " \"Human: … Assistant: …\" text")
    }
    func text(_ scalars: ArraySlice<Unicode.Scalar>) -> Passage {
      var text = String.UnicodeScalarView()
      text.append(contentsOf: scalars)
      return .text(String(text))
    }
    repairs.insert(.implicitPrompt)
    return (text(left[..<common]), text(left[common...]), text(right[common...]))
  }

  // Turns as responses.

  private mutating func turns(_ members: JSONObject, _ chosen: [Message], _ rejected: [Message]) throws -> Passages {
    let areWhole = chosen.first.map { $0.role != "assistant" } ?? false
    if let (name, value) = members.first(of: RowColumns.conversations), let list = value.array {
      // `messages` beside whole conversations is one of them, as in UltraFeedback.
      if name == "prompt" || !areWhole {
        return try explicit(messageReader.messages(list, column: name), chosen, rejected)
      }
    }
    if let prompt = members.column("prompt"), prompt.array != nil { throw error("the list in `prompt` is empty") }
    guard let text = members.column("prompt") ?? members.first(of: RowColumns.questions)?.value else {
      return try implicit(chosen: chosen, rejected: rejected)
    }
    guard let text = text.string else {
      throw error("`prompt`: expected a string or a list of messages, found \(text.kind)")
    }
    if !areWhole, !text.isEmpty {
      repairs.insert(.textAsTurns)
      return try split(leading: [Message(role: "user", content: text)], chosen: chosen, rejected: rejected)
    }
    let passages = try implicit(chosen: chosen, rejected: rejected, shared: "repeat the text of `prompt`")
    guard case .messages(let prompt) = passages.prompt,
      text.isEmpty || prompt.contains(where: { $0.role == "user" && Self.isRepetition($0.content, of: text) })
    else {
      throw error(
        "`prompt` is a string that no user's turn of `\(names.chosen)` repeats: expected a list of messages")
    }
    repairs.remove(.implicitPrompt)
    repairs.insert(.repeatedPrompt)
    return passages
  }

  private static func isRepetition(_ turn: String, of prompt: String) -> Bool {
    if turn.isSameText(as: prompt) { return true }
    func trimmed(_ text: String) -> Substring {
      let start = text.drop(while: \.isWhitespace)
      return start.prefix(start.count - start.reversed().prefix(while: \.isWhitespace).count)
    }
    return trimmed(turn).utf8.elementsEqual(trimmed(prompt).utf8)
  }

  private mutating func explicit(_ prompt: [Message], _ chosen: [Message], _ rejected: [Message]) throws -> Passages {
    func repeats(_ response: [Message]) -> Bool {
      response.count > prompt.count && zip(prompt, response).allSatisfy { $0.isSameTurn(as: $1) }
    }
    if !prompt.isEmpty, repeats(chosen), repeats(rejected) {
      repairs.insert(.repeatedPrompt)
      return try split(
        leading: prompt, chosen: Array(chosen.dropFirst(prompt.count)),
        rejected: Array(rejected.dropFirst(prompt.count)))
    }
    return try split(leading: prompt, chosen: chosen, rejected: rejected)
  }

  /// Splits two whole conversations at message level: what they share at their start is the prompt.
  private mutating func implicit(
    chosen: [Message], rejected: [Message], shared: String = "share leading turns"
  ) throws -> Passages {
    let common = zip(chosen, rejected).prefix { $0.isSameTurn(as: $1) }.count
    if common == chosen.count, common == rejected.count, common > 0 { throw error(identical) }
    guard common > 0 else {
      throw error("row without `prompt`: expected `\(names.chosen)` and `\(names.rejected)` that \(shared)")
    }
    guard common < chosen.count, common < rejected.count else {
      let side = common == chosen.count ? names.chosen : names.rejected
      throw error("`\(side)` has no turn beyond those that both share: its response is empty")
    }
    repairs.insert(.implicitPrompt)
    return try split(
      leading: Array(chosen[..<common]), chosen: Array(chosen[common...]), rejected: Array(rejected[common...]))
  }

  private func split(
    leading prompt: [Message], chosen: [Message], rejected: [Message], sharing other: ArraySlice<Message>? = nil
  ) throws -> Passages {
    guard !prompt.isEmpty else { throw error("the list in `prompt` is empty") }
    if let other, !(other.count == prompt.count && zip(prompt, other).allSatisfy { $0.isSameTurn(as: $1) }) {
      throw error("a response goes on with turns of \"Human:\"; expected only the assistant's answer")
    }
    for (response, column) in [(chosen, names.chosen), (rejected, names.rejected)] {
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

  // What stands beside the passages.

  private mutating func withSystem(_ passages: Passages, _ members: JSONObject) throws -> Passages {
    guard let (name, value) = members.first(of: RowColumns.systems) else { return passages }
    guard let text = value.string else { throw error("`\(name)`: expected a string, found \(value.kind)") }
    guard case .messages(let prompt) = passages.prompt, prompt.first?.role != "system",
      !text.allSatisfy(\.isWhitespace)
    else { return passages }
    repairs.insert(.systemColumn)
    return (.messages([Message(role: "system", content: text)] + prompt), passages.chosen, passages.rejected)
  }

  /// Earlier rounds of a question in a column of its own.
  private func history(_ members: JSONObject) throws -> [Message] {
    guard let value = members.first(of: [RowColumns.history])?.value else { return [] }
    return try (value.array ?? [value]).flatMap { round in
      guard let texts = round.array, texts.count == 2, let question = texts[0].string, let answer = texts[1].string
      else { throw error("`history`: expected pairs of a question and its answer, [[\"…\", \"…\"], …]") }
      return [Message(role: "user", content: question), Message(role: "assistant", content: answer)]
    }
  }

  func templateVariables() throws -> JSONObject {
    var variables: JSONObject = [:]
    if let tools = try parsed("tools", "a list", { $0.array != nil }), tools.array?.isEmpty == false {
      variables["tools"] = tools
    }
    for (name, value) in try parsed("chat_template_kwargs", "an object", { $0.object != nil })?.object ?? [:] {
      if ["messages", "add_generation_prompt"].contains(name) {
        throw error("`chat_template_kwargs`: `\(name)` is given by the row itself")
      }
      variables[name] = value
    }
    return variables
  }

  /// A column that holds a value, or the JSON text of one.
  private func parsed(_ column: String, _ kind: String, _ fits: (JSONValue) -> Bool) throws -> JSONValue? {
    guard let value = columns.object?.column(column) else { return nil }
    if fits(value) { return value }
    guard let text = value.string else {
      throw error("`\(column)`: expected \(kind) or its JSON text, found \(value.kind)")
    }
    if text.allSatisfy(\.isWhitespace) { return nil }
    guard let parsed = try? JSONValue(parsing: Array(text.utf8)), fits(parsed) else {
      throw error("`\(column)`: expected \(kind) or its JSON text, found another text")
    }
    return parsed
  }

  private mutating func passage(_ value: JSONValue, column: String) throws -> Passage {
    switch value {
    case .string(let text): return .text(text)
    case .array(let elements): return .messages(try messageReader.messages(elements, column: column))
    case .object: return .messages([try messageReader.message(value, column: column)])
    default: throw error("`\(column)`: expected a string or a list of messages, found \(value.kind)")
    }
  }
}
