import OrderedJSON

/// Names of columns that are understood; others are ignored.
enum RowColumns {
  /// Each pair of names that stand for the better and the worse response, the most specific last.
  static let responses: [(chosen: String, rejected: String)] = [
    ("chosen", "rejected"), ("chosen_response", "rejected_response"), ("response_chosen", "response_rejected"),
    ("response_j", "response_k"), ("preferred", "dispreferred"), ("accepted", "rejected"),
  ]
  /// Turns before the responses, as a list.
  static let conversations = ["prompt", "messages", "conversations", "conversation"]
  /// Texts that are a user's question to a chat model; `prompt` is a text to be continued.
  static let questions = ["instruction", "question", "query", "input"]
  static let systems = ["system", "system_prompt"]
  /// Earlier questions and answers, two texts each, as LLaMA-Factory has them beside `instruction`.
  static let history = "history"
  /// What the chat template gets beside the messages.
  static let templateColumns = ["tools", "chat_template_kwargs"]
  /// Of data that holds no pairs.
  static let unpaired = [
    "completion", "label", "response", "output", "answer", "text", "score", "responses", "kto_tag",
  ]

  static let names = Set(
    responses.flatMap { [$0.chosen, $0.rejected] } + conversations + questions + systems + unpaired + [history]
      + templateColumns)
}

extension JSONObject {
  /// The value of a column; nil when it is absent or null.
  func column(_ name: String) -> JSONValue? {
    guard let value = self[name], !value.isNull else { return nil }
    return value
  }

  /// The first of some columns that is there and not an empty text or list.
  func first(of names: [String]) -> (name: String, value: JSONValue)? {
    for name in names {
      guard let value = column(name), value.string != "", value.array?.isEmpty != true else { continue }
      return (name, value)
    }
    return nil
  }
}
