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

  /// Largest source accepted, in bytes.
  package static let maximumSource = 4 << 20

  /// Parses a template.
  ///
  /// - Parameter place: what error messages call the template: a file, or a key of one.
  /// - Throws: ``TregError`` (65) with place and line when `source` is not a template this interpreter understands.
  package init(source: String, place: String) throws {
    do {
      try self.init(parsing: source, place: place)
    } catch {
      throw Self.error(error, place: place)
    }
  }

  /// As ``init(source:place:)``, with the kind of the error.
  package init(parsing source: String, place: String) throws(TemplateFailure) {
    guard source.utf8.count <= Self.maximumSource else {
      throw TemplateFailure(.syntax, "the chat template is larger than \(Self.maximumSource) bytes", line: 1)
    }
    tree = try Parser.parse(source)
    self.place = place
    clock = Clock()
  }

  /// A conversation as text.
  package struct Rendering: Sendable {
    package let text: String
    /// What `generation` blocks wrote, as offsets of code points in `text`, in the order in which the blocks ended.
    ///
    /// As transformers' `return_assistant_tokens_mask` counts them: a block inside of a macro, a `call`, a `filter` or a
    /// block `set` counts from where the text outside of it had come to.
    package let generated: [Range<Int>]
  }

  /// The conversation as text.
  ///
  /// - Parameters:
  ///   - messages: objects, usually with `role` and `content`. Reasoning is given under each name that templates read it by.
  ///   - addGenerationPrompt: whether the text ends where an assistant's turn begins.
  ///   - variables: what else the template may name: `bos_token`, `eos_token`, `tools`, … Without `tools` and `documents`,
  ///     these two are none, and not undefined.
  /// - Throws: ``TregError`` (65) with place and line: what the template itself raises by `raise_exception`, an operation
  ///   that its values do not allow, or a bound that is passed.
  package func render(
    messages: [JSONValue], addGenerationPrompt: Bool, variables: [String: JSONValue] = [:]
  ) throws -> String {
    do {
      return try rendering(messages: messages, addGenerationPrompt: addGenerationPrompt, variables: variables).text
    } catch {
      throw Self.error(error, place: place)
    }
  }

  /// As ``render(messages:addGenerationPrompt:variables:)``, with the generated parts, or the kind and line of the error.
  package func rendering(
    messages: [JSONValue], addGenerationPrompt: Bool, variables: [String: JSONValue] = [:]
  ) throws(TemplateFailure) -> Rendering {
    let interpreter = Interpreter(clock: clock)
    defer { interpreter.dissolve() }
    do {
      let scope = Scope(parent: nil)
      scope.set(SymbolTable.tools, .none)
      scope.set(SymbolTable.documents, .none)
      for (name, value) in variables {
        // A value that the template never names is not worth converting.
        if let symbol = tree.symbols.existing(name) { scope.set(symbol, try Value(value)) }
      }
      scope.set(SymbolTable.messages, .list(try ValueList(messages.map { try Value(Self.withReasoning($0)) })))
      scope.set(SymbolTable.addGenerationPrompt, .bool(addGenerationPrompt))
      return try interpreter.render(tree.statements, in: scope)
    } catch let failure as TemplateFailure {
      throw TemplateFailure(failure.kind, failure.message, line: failure.line ?? interpreter.line)
    } catch {
      preconditionFailure("an interpreter throws nothing but TemplateFailure: \(error)")
    }
  }

  /// A message with its reasoning under each name that templates know it by, as transformers gives it.
  private static func withReasoning(_ message: JSONValue) -> JSONValue {
    guard case .object(let members) = message else { return message }
    let names = ["reasoning_content", "thinking", "reasoning"]
    guard let reasoning = names.lazy.compactMap({ members[$0] }).first(where: { !$0.isNull }) else { return message }
    var result: JSONObject = ["thinking": reasoning]
    for (key, value) in members { result[key] = value }
    result["reasoning_content"] = reasoning
    return .object(result)
  }

  /// One line, however long or broken the message that a template raises.
  private static func error(_ failure: TemplateFailure, place: String) -> TregError {
    let words = failure.message.split { $0.isNewline }.joined(separator: " ")
    let message = words.count > 500 ? words.prefix(500) + "…" : words
    return .badData(at: "\(place), line \(failure.line ?? 1)", message)
  }
}
