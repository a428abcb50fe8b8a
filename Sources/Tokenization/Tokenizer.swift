import OrderedJSON

/// Placeholder of the room's interface.
package final class Tokenizer: Sendable {
  package init(tokenizerJSON: JSONValue, place: String) throws { fatalError() }
  package var vocabularySize: Int { fatalError() }
  package func encode(_ text: String, addingSpecialTokens: Bool = false) throws -> [Int32] { fatalError() }
  package func decode(_ tokens: some Sequence<Int32>, skippingSpecialTokens: Bool = false) -> String { fatalError() }
  package func token(of id: Int32) -> String? { fatalError() }
  package func id(of token: String) -> Int32? { fatalError() }
}
