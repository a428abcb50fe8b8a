import OrderedJSON
import RunFolder

/// How the two contrastive prompts of a response are worded: one conversation, in which a single placeholder,
/// `{criteria}`, is filled once with what makes an answer better and once with what makes it worse.
///
/// As a file it is a JSON object:
///
///     {"name": "mine",
///      "messages": ["prompt", "response", {"role": "user", "content": "Write it again, {criteria}."}],
///      "better": "more helpful and correct", "worse": "less helpful and wrong"}
///
/// Parts of `messages` are messages of their own, whose content may hold `{instruction}` (the last user turn of the
/// row's prompt), `{response}` and `{criteria}`, or one of the words `"prompt"` (the row's whole prompt), `"history"`
/// (the prompt without its last turn) and `"response"` (the response as the assistant's turn).
package struct ContrastiveTemplate: Sendable, Equatable {
  enum Part: Sendable, Equatable {
    case prompt
    case history
    case response
    case message(role: String, content: String)
  }

  package let name: String
  let parts: [Part]
  let better: String
  let worse: String

  /// Identifies the wording: equal for equal templates, wherever they come from.
  package var hash: String { ContentHash.of(json.text()) }

  package var json: JSONValue {
    [
      "name": .string(name),
      "messages": .array(
        parts.map { part in
          switch part {
          case .prompt: "prompt"
          case .history: "history"
          case .response: "response"
          case .message(let role, let content): ["role": .string(role), "content": .string(content)]
          }
        }),
      "better": .string(better), "worse": .string(worse),
    ]
  }
}

extension ContrastiveTemplate {
  private static let better = "more helpful, more correct, more coherent and more concise"
  private static let worse = "more unhelpful, more incorrect, more incoherent and more verbose"

  /// The templates that have a name. In each the criteria stand as late as its form allows: what comes before them is
  /// computed once for both prompts.
  package static let named: [ContrastiveTemplate] = [
    ContrastiveTemplate(
      name: "turn",
      parts: [
        .prompt, .response,
        .message(
          role: "user",
          content: "Please revise your answer. Reply with the revised answer alone, and make it {criteria}."),
      ], better: better, worse: worse),
    ContrastiveTemplate(
      name: "revise",
      parts: [
        .history,
        .message(
          role: "user",
          content: """
            Below are an instruction and an answer to it.

            Instruction:
            {instruction}

            Answer:
            {response}

            Please revise the answer. Reply with the revised answer alone, and make it {criteria}.
            """),
      ], better: better, worse: worse),
    ContrastiveTemplate(
      name: "system",
      parts: [
        .message(role: "system", content: "You are an assistant whose answers are {criteria}."), .prompt,
      ], better: better, worse: worse),
    ContrastiveTemplate(
      name: "suffix",
      parts: [
        .history, .message(role: "user", content: "{instruction}\n\nGive an answer that is {criteria}."),
      ], better: better, worse: worse),
  ]

  /// The template of that name, or the one in the file of that path.
  ///
  /// - Throws: configuration (78) when there is neither; bad data (65) when the file is not a template.
  package static func find(_ nameOrPath: String) throws -> ContrastiveTemplate {
    if let template = named.first(where: { $0.name == nameOrPath }) { return template }
    guard FileSystem.kind(of: nameOrPath) != nil else {
      throw TregError.configuration(
        at: "treg_template",
        "\"\(nameOrPath)\" is neither one of \(named.map(\.name).joined(separator: ", ")) nor a file")
    }
    let value: JSONValue
    do {
      value = try JSONValue(parsing: FileSystem.readBytes(nameOrPath, maximumCount: 1 << 20))
    } catch let error as JSONError {
      throw TregError.badData(at: nameOrPath, "\(error)")
    }
    return try ContrastiveTemplate(value, place: nameOrPath)
  }

  init(_ value: JSONValue, place: String) throws {
    func text(_ key: String) throws -> String {
      guard let text = value[key]?.string, !text.isEmpty else {
        throw TregError.badData(at: place, "expected a string under \"\(key)\"")
      }
      return text
    }
    guard let elements = value["messages"]?.array, !elements.isEmpty else {
      throw TregError.badData(at: place, "expected a list under \"messages\"")
    }
    name = value["name"]?.string ?? FileSystem.name(of: place)
    better = try text("better")
    worse = try text("worse")
    parts = try elements.enumerated().map { index, element in
      switch element {
      case "prompt": return .prompt
      case "history": return .history
      case "response": return .response
      default: break
      }
      guard let role = element["role"]?.string, let content = element["content"]?.string else {
        throw TregError.badData(
          at: place,
          "messages[\(index)]: expected \"prompt\", \"history\", \"response\" or an object with role and content")
      }
      return .message(role: role, content: content)
    }
    let criteria = parts.contains { part in
      if case .message(_, let content) = part { content.contains("{criteria}") } else { false }
    }
    guard criteria else {
      throw TregError.badData(at: place, "no message holds {criteria}, so both prompts would be the same")
    }
  }
}
