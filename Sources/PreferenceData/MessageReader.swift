import OrderedJSON
import RunFolder

/// Reads messages as the formats in use write them, and says what it set right.
struct MessageReader {
  let place: String
  private(set) var repairs: Repairs = []

  init(place: String) { self.place = place }

  private func error(_ message: String) -> TregError { TregError.badData(at: place, message) }

  /// Roles by the names that ShareGPT and others have for them.
  private static let roles = [
    "human": "user", "prompter": "user", "gpt": "assistant", "chatgpt": "assistant", "bing": "assistant",
    "bard": "assistant", "bot": "assistant", "model": "assistant", "observation": "tool",
  ]

  /// - Parameter column: the name that messages give.
  mutating func messages(_ values: [JSONValue], column: String) throws -> [Message] {
    var messages: [Message] = []
    messages.reserveCapacity(values.count)
    for value in values { messages.append(try message(value, column: column)) }
    return messages
  }

  /// A message: `role` and `content`, or `from` and `value`.
  ///
  /// Members that are null, which Parquet files have for those of other rows, are left out.
  mutating func message(_ value: JSONValue, column: String) throws -> Message {
    guard let members = value.object else {
      throw error("`\(column)`: expected messages with `role` and `content`, found \(value.kind)")
    }
    let names: (role: String, content: String)
    if members.column("role") != nil {
      names = ("role", members["content"] == nil && members["value"] != nil ? "value" : "content")
    } else {
      names = ("from", members["value"] == nil ? "content" : "value")
    }
    let callsTools = members.column("tool_calls")?.array?.isEmpty == false
    guard let role = members.column(names.role),
      let content = members[names.content] ?? (callsTools ? JSONValue?.some(.null) : nil)
    else {
      throw error(
        "`\(column)`: a message needs `role` and `content`; found: \(members.keys.joined(separator: ", "))")
    }
    guard let role = role.string, let text = try text(content, column, mayBeNull: callsTools) else {
      throw error(
        "`\(column)`: expected `role` and `content` of a message as strings, found \(role.kind) and \(content.kind)")
    }
    let name = Self.roles[role] ?? role
    if names != ("role", "content") { repairs.insert(.fromAndValue) }
    if name != role { repairs.insert(.renamedRoles) }
    let hasNulls = members.contains { $0.key != names.content && $0.value.isNull }
    if names == ("role", "content"), name == role, content.string != nil || content.isNull, !hasNulls {
      return Message(role: role, content: text, raw: value)
    }
    var raw = JSONObject(minimumCapacity: members.count)
    for (key, value) in members {
      switch key {
      case names.role: raw["role"] = .string(name)
      case names.content: raw["content"] = content.isNull ? .null : .string(text)
      default: if !value.isNull { raw[key] = value }
      }
    }
    return Message(role: name, content: text, raw: .object(raw))
  }

  /// The text of a content: itself, or the texts of its parts, `[{"type": "text", "text": …}, …]`.
  private mutating func text(_ content: JSONValue, _ column: String, mayBeNull: Bool) throws -> String? {
    switch content {
    case .string(let text): return text
    case .null: return mayBeNull ? "" : nil
    case .array(let parts):
      var texts: [String] = []
      for part in parts {
        guard let text = part.string ?? part["text"]?.string else {
          throw error(
            "`\(column)`: only texts can be trained on; a message has a part of type "
              + "\"\(part["type"]?.string ?? part.kind)\"")
        }
        texts.append(text)
      }
      repairs.insert(.joinedParts)
      return texts.joined()
    default: return nil
    }
  }
}
