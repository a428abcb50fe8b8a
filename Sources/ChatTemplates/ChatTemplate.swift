import OrderedJSON
import RunFolder

/// A chat template of the hub: Jinja source that turns a conversation into a prompt.
///
/// Behaves as transformers' `apply_chat_template` does: an immutable sandbox with `trim_blocks` and `lstrip_blocks`,
/// loop controls and `generation` blocks. Compiled once, rendered for any number of conversations, from any thread.
/// `strftime_now` tells the time at which the template was compiled, so that all rows of a run carry one date.
/// Hostile templates are bounded (``Budget``); they reach nothing but the values they are given.
package struct ChatTemplate: Sendable {
  private let tree: SyntaxTree
  private let place: String
  private let clock: Clock
  private let messages: Symbol
  private let addGenerationPrompt: Symbol

  /// Largest source accepted, in bytes.
  package static let maximumSource = 4 << 20

  /// Parses a template.
  ///
  /// - Parameter place: what error messages call the template: a file, or a key of one.
  /// - Throws: ``TregError`` (65) with place and line when `source` is not a template this interpreter understands.
  package init(source: String, place: String) throws {
    guard source.utf8.count <= Self.maximumSource else {
      throw TregError.badData(at: place, "the chat template is larger than \(Self.maximumSource) bytes")
    }
    do {
      var tree = try Parser.parse(source)
      var symbols = tree.symbols
      messages = symbols.symbol(for: "messages")
      addGenerationPrompt = symbols.symbol(for: "add_generation_prompt")
      tree = SyntaxTree(statements: tree.statements, symbols: symbols)
      self.tree = tree
    } catch let failure as TemplateFailure {
      throw Self.error(failure, place: place, line: 1)
    }
    self.place = place
    clock = Clock()
  }

  /// The conversation as text.
  ///
  /// - Parameters:
  ///   - messages: objects, usually with `role` and `content`.
  ///   - addGenerationPrompt: whether the text ends where an assistant's turn begins.
  ///   - variables: what else the template may name: `bos_token`, `eos_token`, `tools`, …
  /// - Throws: ``TregError`` (65) with place and line: what the template itself raises by `raise_exception`, an operation
  ///   that its values do not allow, or a bound that is passed.
  package func render(
    messages: [JSONValue], addGenerationPrompt: Bool, variables: [String: JSONValue] = [:]
  ) throws -> String {
    let interpreter = Interpreter(clock: clock)
    defer { interpreter.dissolve() }
    do {
      let scope = Scope(parent: nil)
      for (name, value) in variables {
        // A value that the template never names is not worth converting.
        if let symbol = tree.symbols.existing(name) { scope.set(symbol, try Value(value)) }
      }
      scope.set(self.messages, .list(try ValueList(messages.map(Value.init))))
      scope.set(self.addGenerationPrompt, .bool(addGenerationPrompt))
      return try interpreter.render(tree.statements, in: scope)
    } catch let failure as TemplateFailure {
      throw Self.error(failure, place: place, line: interpreter.line)
    }
  }

  /// One line, however long or broken the message that a template raises.
  private static func error(_ failure: TemplateFailure, place: String, line: Int) -> TregError {
    let words = failure.message.split { $0.isNewline }.joined(separator: " ")
    let message = words.count > 500 ? words.prefix(500) + "…" : words
    return .badData(at: "\(place), line \(failure.line ?? line)", message)
  }
}
