import OrderedJSON

/// Placeholder of the room's interface.
package struct ChatTemplate: Sendable {
  package init(source: String, place: String) throws { fatalError() }
  package func render(
    messages: [JSONValue], addGenerationPrompt: Bool, variables: [String: JSONValue] = [:]
  ) throws -> String { fatalError() }
}
