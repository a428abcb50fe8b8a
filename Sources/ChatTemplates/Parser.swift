/// Builds the syntax tree of a template. Statements are here, expressions in an extension.
struct Parser {
  /// Bounds that keep recursion over a hostile template's tree shallow.
  static let maximumExpressionDepth = 200
  static let maximumNesting = 60

  var tokens: [Token]
  var index = 0
  var symbols = SymbolTable()
  /// Levels of expressions and statements that are being parsed.
  var nesting = 0
  private var blocks = 0
  private var loops = 0

  /// Names of ``MacroDefinition/specials`` that were read since the body of the current macro began.
  var specials: Set<Symbol> = []

  static func parse(_ source: String) throws(TemplateFailure) -> SyntaxTree {
    do {
      var parser = Parser(tokens: try Lexer.tokens(of: source))
      let statements = try parser.statements(until: [])
      try NameCheck.check(statements)
      return SyntaxTree(statements: statements, symbols: parser.symbols)
    } catch let failure as TemplateFailure {
      throw TemplateFailure(.syntax, failure.message, line: failure.line)
    } catch {
      preconditionFailure("a parser throws nothing but TemplateFailure: \(error)")
    }
  }

  private init(tokens: [Token]) { self.tokens = tokens }

  var current: Token { tokens[index] }
  var next: Token { tokens[min(index + 1, tokens.count - 1)] }

  mutating func advance() {
    if index + 1 < tokens.count { index += 1 }
  }

  func isSymbol(_ text: String) -> Bool { current.kind == .symbol && current.text == text }
  func isName(_ text: String) -> Bool { current.kind == .name && current.text == text }

  mutating func skip(symbol text: String) -> Bool {
    guard isSymbol(text) else { return false }
    advance()
    return true
  }

  mutating func skip(name text: String) -> Bool {
    guard isName(text) else { return false }
    advance()
    return true
  }

  mutating func expect(symbol text: String) throws {
    guard skip(symbol: text) else { throw unexpected("'\(text)'") }
  }

  mutating func expectName() throws -> String {
    guard current.kind == .name else { throw unexpected("a name") }
    defer { advance() }
    return current.text
  }

  mutating func expect(_ kind: Token.Kind, _ what: String) throws {
    guard current.kind == kind else { throw unexpected(what) }
    advance()
  }

  func unexpected(_ expected: String) -> TemplateFailure {
    TemplateFailure("expected \(expected), found \(current.described)", line: current.line)
  }

  /// Statements up to a block whose first word is among `ends`, which becomes the current token; with no
  /// `ends`, up to the template's end.
  private mutating func statements(until ends: [String]) throws -> [Statement] {
    var result: [Statement] = []
    let opened = current.line
    blocks += 1
    defer { blocks -= 1 }
    guard blocks <= Self.maximumNesting else {
      throw TemplateFailure("blocks are nested more than \(Self.maximumNesting) deep", line: current.line)
    }
    while true {
      let token = current
      switch token.kind {
      case .data:
        result.append(Statement(form: .text(token.text), line: token.line))
        advance()
      case .variableBegin:
        advance()
        result.append(Statement(form: .print(try tuple()), line: token.line))
        try expect(.variableEnd, "'}}'")
      case .blockBegin:
        advance()
        if current.kind == .name, ends.contains(current.text) { return result }
        result.append(contentsOf: try statement())
        try expect(.blockEnd, "'%}'")
      case .end where ends.isEmpty:
        return result
      case .end:
        throw TemplateFailure("a block that starts here is not closed by '\(ends.last ?? "")'", line: opened)
      default:
        throw unexpected("text or a tag")
      }
    }
  }

  /// The body of a block whose opening tag ends here, up to one of `ends`.
  private mutating func body(until ends: String...) throws -> [Statement] {
    _ = skip(symbol: ":")
    try expect(.blockEnd, "'%}'")
    return try statements(until: ends)
  }

  /// A body that is a function of its own: loops outside cannot be left from within.
  private mutating func closedBody(until end: String) throws -> [Statement] {
    let outer = loops
    loops = 0
    defer { loops = outer }
    let body = try body(until: end)
    advance()
    return body
  }

  private mutating func statement() throws -> [Statement] {
    let token = current
    let word = try expectName()
    func at(_ form: Statement.Form) -> [Statement] { [Statement(form: form, line: token.line)] }
    switch word {
    case "if": return at(try condition())
    case "for": return at(.loop(try loop()))
    case "set": return at(try assignment())
    case "macro":
      let name = try expectName()
      let symbol = symbols.symbol(for: name)
      return at(.macro(try macro(name, symbol, parameters: try signature(), until: "endmacro")))
    case "call": return at(try callBlock())
    case "filter":
      let filters = try filterChain(first: true)
      let body = try body(until: "endfilter")
      advance()
      return at(.filter(filters, body: body))
    case "with": return at(try with())
    case "generation": return at(.generation(try closedBody(until: "endgeneration")))
    case "print":
      var expressions: [Statement] = []
      while current.kind != .blockEnd {
        if !expressions.isEmpty { try expect(symbol: ",") }
        expressions.append(Statement(form: .print(try expression()), line: token.line))
      }
      return expressions
    case "break", "continue":
      guard loops > 0 else { throw TemplateFailure("'\(word)' outside of a loop", line: token.line) }
      return at(word == "break" ? .breakLoop : .continueLoop)
    case "include", "import", "from", "extends", "block", "autoescape":
      throw TemplateFailure("'\(word)' is not supported: a chat template stands alone", line: token.line)
    default:
      throw TemplateFailure("unknown tag '\(word)'", line: token.line)
    }
  }

  private mutating func condition() throws -> Statement.Form {
    var branches: [(test: Expression, body: [Statement])] = []
    while true {
      let test = try tuple(conditional: false)
      branches.append((test, try body(until: "elif", "else", "endif")))
      let word = current.text
      advance()
      if word == "elif" { continue }
      guard word == "else" else { return .condition(branches, otherwise: []) }
      let otherwise = try body(until: "endif")
      advance()
      return .condition(branches, otherwise: otherwise)
    }
  }

  private mutating func loop() throws -> Loop {
    let target = try target(endingAt: "in")
    guard skip(name: "in") else { throw unexpected("'in'") }
    let iterable = try tuple(conditional: false, endingAt: "recursive")
    let test = skip(name: "if") ? try expression() : nil
    let isRecursive = skip(name: "recursive")
    loops += 1
    let body = try body(until: "else", "endfor")
    loops -= 1
    let hasElse = isName("else")
    advance()
    var otherwise: [Statement] = []
    if hasElse {
      otherwise = try self.body(until: "endfor")
      advance()
    }
    return Loop(
      target: target, iterable: iterable, test: test, isRecursive: isRecursive, body: body, otherwise: otherwise)
  }

  private mutating func assignment() throws -> Statement.Form {
    let target = try target(namespaces: true)
    if skip(symbol: "=") { return .assign(target, try tuple()) }
    let filters = try filterChain(first: false)
    let body = try body(until: "endset")
    advance()
    return .assignBlock(target, filters: filters, body: body)
  }

  private mutating func callBlock() throws -> Statement.Form {
    let line = current.line
    let parameters = isSymbol("(") ? try signature() : []
    let call = try expression()
    guard case .call = call.form else { throw TemplateFailure("expected a call after 'call'", line: line) }
    return .call(try macro("caller", SymbolTable.caller, parameters: parameters, until: "endcall"), call)
  }

  private mutating func macro(
    _ name: String, _ symbol: Symbol, parameters: [MacroDefinition.Parameter], until end: String
  ) throws -> MacroDefinition {
    let outer = specials
    specials = []
    let body = try closedBody(until: end)
    let own = specials.subtracting(parameters.map(\.symbol))
    specials = outer.union(own)
    return MacroDefinition(name: name, symbol: symbol, parameters: parameters, body: body, specials: own)
  }

  private mutating func with() throws -> Statement.Form {
    var bindings: [(target: Target, value: Expression)] = []
    while current.kind != .blockEnd {
      if !bindings.isEmpty { try expect(symbol: ",") }
      let target = try target()
      try expect(symbol: "=")
      bindings.append((target, try expression()))
    }
    let body = try body(until: "endwith")
    advance()
    return .with(bindings, body: body)
  }

  private mutating func signature() throws -> [MacroDefinition.Parameter] {
    var parameters: [MacroDefinition.Parameter] = []
    try expect(symbol: "(")
    while !isSymbol(")") {
      if !parameters.isEmpty { try expect(symbol: ",") }
      let line = current.line
      let name = try expectName()
      let value = skip(symbol: "=") ? try expression() : nil
      guard !parameters.contains(where: { $0.name == name }) else {
        throw TemplateFailure("the parameter '\(name)' is named twice", line: line)
      }
      if value == nil, parameters.last?.defaultValue != nil {
        throw TemplateFailure("the parameter '\(name)' without a default follows one with a default", line: line)
      }
      parameters.append(.init(symbol: symbols.symbol(for: name), name: name, defaultValue: value))
    }
    advance()
    return parameters
  }

  /// What is assigned to: a name, several separated by commas, or an attribute of a namespace.
  private mutating func target(endingAt end: String? = nil, namespaces: Bool = false) throws -> Target {
    var parts: [Target] = []
    var isTuple = false
    while true {
      if !parts.isEmpty, current.kind == .blockEnd || isSymbol(")") || end.map(isName) == true { break }
      parts.append(try singleTarget(namespaces: namespaces))
      guard skip(symbol: ",") else { break }
      isTuple = true
    }
    return isTuple ? .tuple(parts) : parts[0]
  }

  private mutating func singleTarget(namespaces: Bool) throws -> Target {
    nesting += 1
    defer { nesting -= 1 }
    guard nesting <= Self.maximumExpressionDepth else { throw tooDeep() }
    if skip(symbol: "(") {
      let inner = try target(namespaces: namespaces)
      try expect(symbol: ")")
      return inner
    }
    let line = current.line
    let name = try expectName()
    guard !["true", "false", "none", "True", "False", "None"].contains(name) else {
      throw TemplateFailure("cannot assign to '\(name)'", line: line)
    }
    if namespaces, skip(symbol: ".") {
      return .attribute(of: symbols.symbol(for: name), namespace: name, attribute: try expectName())
    }
    return .name(symbols.symbol(for: name))
  }

  func tooDeep() -> TemplateFailure {
    TemplateFailure("expressions are nested more than \(Self.maximumExpressionDepth) deep", line: current.line)
  }
}
