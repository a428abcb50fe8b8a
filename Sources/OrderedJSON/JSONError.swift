/// Where and why a text is not the JSON that was expected.
package struct JSONError: Error, CustomStringConvertible, Equatable {
  package let line: Int
  package let column: Int
  package let message: String

  package var description: String { "line \(line), column \(column): \(message)" }
}
