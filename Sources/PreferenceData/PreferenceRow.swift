import OrderedJSON
import RunFolder

/// One turn of a conversation.
package struct Message: Sendable, Hashable {
  package let role: String
  package let content: String
  /// The whole object as the file holds it; chat templates see every key.
  package let raw: JSONValue

  package init(role: String, content: String) {
    self.role = role
    self.content = content
    raw = ["role": .string(role), "content": .string(content)]
  }

  package init(role: String, content: String, raw: JSONValue) {
    self.role = role
    self.content = content
    self.raw = raw
  }

  /// Equal turns, whatever the order their keys were written in.
  func isSameTurn(as other: Message) -> Bool {
    guard role == other.role, content.isSameText(as: other.content) else { return false }
    guard let mine = raw.object, let theirs = other.raw.object, mine.count == theirs.count else { return false }
    return mine.allSatisfy { key, value in theirs[key] == value }
  }
}

extension String {
  /// Equal bytes. Strings that Unicode calls equal can differ in bytes, and so in tokens.
  func isSameText(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}

/// A prompt or a response: plain text, or turns of a conversation.
package enum Passage: Sendable, Hashable {
  case text(String)
  case messages([Message])

  /// The text, or the contents of all turns, a line each; for reports.
  package var plainText: String {
    switch self {
    case .text(let text): text
    case .messages(let messages): messages.map(\.content).joined(separator: "\n")
    }
  }
}

/// A preference pair as its file states it. The three passages are all plain text or all conversations.
package struct PreferenceRow: Sendable, Hashable {
  /// Position over all files in the order they were named, from 0; rows that are skipped count.
  package let row: Int
  /// Where the row stands, as `file:line`.
  package let place: String
  package let origin: RowPlace
  package let prompt: Passage
  package let chosen: Passage
  package let rejected: Passage
  /// What the chat template gets beside the messages: `tools`, and keywords of the row's own.
  package let templateVariables: JSONObject
  /// What was set right in the row.
  package let repairs: Repairs

  package init(
    row: Int, place: String, origin: RowPlace = RowPlace(file: 0, suffix: ""), prompt: Passage, chosen: Passage,
    rejected: Passage, templateVariables: JSONObject = [:], repairs: Repairs = []
  ) {
    self.row = row
    self.place = place
    self.origin = origin
    self.prompt = prompt
    self.chosen = chosen
    self.rejected = rejected
    self.templateVariables = templateVariables
    self.repairs = repairs
  }
}

/// What happens to a row that cannot be used.
package enum BadRows: String, Sendable, CaseIterable {
  /// The run ends with the row's place and reason.
  case error
  /// The row is left out and counted.
  case skip
}
