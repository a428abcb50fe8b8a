/// What is wrong with a template or a rendering, before the place is put in front.
package struct TemplateFailure: Error {
  /// Which of Python's errors jinja2 would end with.
  package enum Kind: String, Sendable {
    /// The source is not a template (`TemplateSyntaxError`).
    case syntax
    /// Something undefined is used (`UndefinedError`).
    case undefined
    /// A value is of the wrong type, or has no such attribute (`TypeError`, `AttributeError`).
    case type
    /// A value of the right type does not fit (`ValueError`).
    case value
    /// A division by zero (`ZeroDivisionError`).
    case division
    /// A key or an index of a format is not there (`KeyError`, `IndexError`).
    case lookup
    /// A filter or test that does not exist, or is used against its rules (`TemplateRuntimeError`).
    case runtime
    /// The sandbox refuses it (`SecurityError`).
    case security
    /// The template says so itself, by `raise_exception`.
    case raised
    /// A bound of ours (``Budget``) is passed; where jinja2 has the same bound, `OverflowError`.
    case bound
  }

  package let kind: Kind
  package let line: Int?
  package let message: String

  init(_ message: String, line: Int? = nil) { self.init(.type, message, line: line) }

  init(_ kind: Kind, _ message: String, line: Int? = nil) {
    (self.kind, self.line, self.message) = (kind, line, message)
  }
}
