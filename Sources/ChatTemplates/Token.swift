/// A piece of a template's source, as the lexer cuts it.
struct Token {
  enum Kind: Equatable {
    /// Text outside of tags, printed as it stands.
    case data
    case variableBegin, variableEnd, blockBegin, blockEnd
    case name, string
    case integer(Int)
    case float(Double)
    /// An operator or a bracket; ``Token/text`` says which.
    case symbol
    case end
  }

  let kind: Kind
  /// The name, the operator, or the unescaped contents of a string.
  let text: String
  let line: Int

  /// The token as an error message names it.
  var described: String {
    switch kind {
    case .data: "text"
    case .variableBegin: "'{{'"
    case .variableEnd: "'}}'"
    case .blockBegin: "'{%'"
    case .blockEnd: "'%}'"
    case .name, .symbol: "'\(text)'"
    case .string: "a string"
    case .integer, .float: "a number"
    case .end: "the end of the template"
    }
  }
}
