/// A value written in a template.
enum Literal: Sendable {
  case none
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
}

/// A name of the template, as an index into its table of names.
typealias Symbol = Int32

/// One expression of a template.
final class Expression: Sendable {
  indirect enum Form: Sendable {
    case literal(Literal)
    case name(Symbol, String)
    case list([Expression])
    case tuple([Expression])
    case dictionary([(key: Expression, value: Expression)])
    case attribute(Expression, String)
    case subscripted(Expression, Expression)
    case slice(Expression, start: Expression?, stop: Expression?, step: Expression?)
    case call(Expression, ArgumentList)
    case filter(Expression, FilterUse)
    case test(Expression, TestUse)
    case not(Expression)
    case negative(Expression)
    case positive(Expression)
    case and(Expression, Expression)
    case or(Expression, Expression)
    case binary(BinaryOperator, Expression, Expression)
    /// Parts joined as text by `~`.
    case concatenation([Expression])
    /// `a < b <= c`, each operand evaluated once.
    case comparison(Expression, [(Comparison, Expression)])
    case conditional(test: Expression, then: Expression, otherwise: Expression?)
  }

  let form: Form
  let line: Int
  /// Levels of expressions below and including this one; the parser bounds it, so that walks cannot exhaust the stack.
  let depth: Int

  init(_ form: Form, line: Int, depth: Int) {
    self.form = form
    self.line = line
    self.depth = depth
  }
}

enum BinaryOperator: String, Sendable {
  case add = "+"
  case subtract = "-"
  case multiply = "*"
  case divide = "/"
  case floorDivide = "//"
  case modulo = "%"
  case power = "**"
}

enum Comparison: String, Sendable {
  case equal = "=="
  case notEqual = "!="
  case less = "<"
  case lessOrEqual = "<="
  case greater = ">"
  case greaterOrEqual = ">="
  case contained = "in"
  case notContained = "not in"
}

/// The arguments of a call, a filter or a test, as written.
struct ArgumentList: Sendable {
  var positional: [Expression] = []
  var keywords: [(name: String, value: Expression)] = []
  /// `*list` and `**mapping`.
  var spread: Expression?
  var keywordSpread: Expression?

  var isEmpty: Bool { positional.isEmpty && keywords.isEmpty && spread == nil && keywordSpread == nil }
}

struct FilterUse: Sendable {
  let name: String
  /// Nil when no such filter exists: an error once it is used, as a template may guard what it needs.
  let function: Filter?
  let arguments: ArgumentList
}

struct TestUse: Sendable {
  let name: String
  let function: Test?
  let arguments: ArgumentList
}

/// What `for`, `set` and `with` assign to.
indirect enum Target: Sendable {
  case name(Symbol)
  case attribute(of: Symbol, namespace: String, attribute: String)
  case tuple([Target])
}

/// One statement of a template, with the line it starts on.
struct Statement: Sendable {
  indirect enum Form: Sendable {
    case text(String)
    case print(Expression)
    case condition([(test: Expression, body: [Statement])], otherwise: [Statement])
    case loop(Loop)
    case assign(Target, Expression)
    case assignBlock(Target, filters: [FilterUse], body: [Statement])
    case macro(MacroDefinition)
    case call(MacroDefinition, Expression)
    case filter([FilterUse], body: [Statement])
    case with([(target: Target, value: Expression)], body: [Statement])
    /// transformers' `generation` blocks.
    case generation([Statement])
    case breakLoop
    case continueLoop
  }

  let form: Form
  let line: Int
}

final class Loop: Sendable {
  let target: Target
  let iterable: Expression
  let test: Expression?
  let isRecursive: Bool
  let body: [Statement]
  let otherwise: [Statement]

  init(
    target: Target, iterable: Expression, test: Expression?, isRecursive: Bool, body: [Statement],
    otherwise: [Statement]
  ) {
    (self.target, self.iterable, self.test) = (target, iterable, test)
    (self.isRecursive, self.body, self.otherwise) = (isRecursive, body, otherwise)
  }
}

final class MacroDefinition: Sendable {
  struct Parameter: Sendable {
    let symbol: Symbol
    let name: String
    let defaultValue: Expression?
  }

  let name: String
  let symbol: Symbol
  let parameters: [Parameter]
  let body: [Statement]
  /// Which of `caller`, `varargs` and `kwargs` the body names; what it does not name, it does not take.
  let specials: Set<Symbol>

  init(name: String, symbol: Symbol, parameters: [Parameter], body: [Statement], specials: Set<Symbol>) {
    (self.name, self.symbol, self.parameters, self.body) = (name, symbol, parameters, body)
    self.specials = specials
  }
}

/// A parsed template: what it does, and the names it knows.
struct SyntaxTree: Sendable {
  let statements: [Statement]
  let symbols: SymbolTable
}

/// Names numbered in the order of their first use.
struct SymbolTable: Sendable {
  /// Names the interpreter binds itself.
  static let loop: Symbol = 0
  static let caller: Symbol = 1
  static let variableArguments: Symbol = 2
  static let keywordArguments: Symbol = 3
  /// Names every conversation comes with.
  static let messages: Symbol = 4
  static let addGenerationPrompt: Symbol = 5
  static let tools: Symbol = 6
  static let documents: Symbol = 7

  private(set) var names: [String]
  private var indices: [String: Symbol]

  init() {
    names = ["loop", "caller", "varargs", "kwargs", "messages", "add_generation_prompt", "tools", "documents"]
    indices = Dictionary(uniqueKeysWithValues: zip(names, 0...))
  }

  mutating func symbol(for name: String) -> Symbol {
    if let symbol = indices[name] { return symbol }
    let symbol = Symbol(names.count)
    names.append(name)
    indices[name] = symbol
    return symbol
  }

  func existing(_ name: String) -> Symbol? { indices[name] }
}
