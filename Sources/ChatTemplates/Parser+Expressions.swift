extension Parser {
  /// One expression or several separated by commas, which make a tuple.
  mutating func tuple(
    conditional: Bool = true, endingAt end: String? = nil, inParentheses: Bool = false
  ) throws -> Expression {
    let line = current.line
    var elements: [Expression] = []
    var isTuple = false
    while true {
      if current.kind == .variableEnd || current.kind == .blockEnd || isSymbol(")") || end.map(isName) == true { break }
      elements.append(try expression(conditional: conditional))
      guard skip(symbol: ",") else { break }
      isTuple = true
    }
    if !isTuple {
      if let only = elements.first { return only }
      guard inParentheses else { throw unexpected("an expression") }
    }
    return try make(.tuple(elements), line, elements)
  }

  mutating func expression(conditional: Bool = true) throws -> Expression {
    nesting += 1
    defer { nesting -= 1 }
    // Each level of brackets costs a dozen frames of this parser.
    guard nesting <= Self.maximumExpressionDepth / 2 else { throw tooDeep() }
    guard conditional else { return try or() }
    let line = current.line
    var value = try or()
    while skip(name: "if") {
      let test = try or()
      let otherwise = skip(name: "else") ? try expression() : nil
      value = try make(
        .conditional(test: test, then: value, otherwise: otherwise), line,
        [test, value] + (otherwise.map { [$0] } ?? []))
    }
    return value
  }

  /// A node above `children`; refuses trees that are too deep to walk.
  private func make(_ form: Expression.Form, _ line: Int, _ children: [Expression]) throws -> Expression {
    let depth = 1 + (children.lazy.map(\.depth).max() ?? 0)
    guard depth <= Self.maximumExpressionDepth else { throw tooDeep() }
    return Expression(form, line: line, depth: depth)
  }

  private mutating func or() throws -> Expression {
    let line = current.line
    var left = try and()
    while skip(name: "or") {
      let right = try and()
      left = try make(.or(left, right), line, [left, right])
    }
    return left
  }

  private mutating func and() throws -> Expression {
    let line = current.line
    var left = try not()
    while skip(name: "and") {
      let right = try not()
      left = try make(.and(left, right), line, [left, right])
    }
    return left
  }

  private mutating func not() throws -> Expression {
    let line = current.line
    guard isName("not") else { return try comparison() }
    nesting += 1
    defer { nesting -= 1 }
    guard nesting <= Self.maximumExpressionDepth else { throw tooDeep() }
    advance()
    let operand = try not()
    return try make(.not(operand), line, [operand])
  }

  private mutating func comparison() throws -> Expression {
    let line = current.line
    let first = try sum()
    var rest: [(Comparison, Expression)] = []
    while true {
      if current.kind == .symbol, let comparison = Comparison(rawValue: current.text) {
        advance()
        rest.append((comparison, try sum()))
      } else if skip(name: "in") {
        rest.append((.contained, try sum()))
      } else if isName("not"), next.kind == .name, next.text == "in" {
        advance()
        advance()
        rest.append((.notContained, try sum()))
      } else {
        break
      }
    }
    return rest.isEmpty ? first : try make(.comparison(first, rest), line, [first] + rest.map(\.1))
  }

  private mutating func sum() throws -> Expression {
    let line = current.line
    var left = try concatenation()
    while isSymbol("+") || isSymbol("-"), let operation = BinaryOperator(rawValue: current.text) {
      advance()
      let right = try concatenation()
      left = try make(.binary(operation, left, right), line, [left, right])
    }
    return left
  }

  private mutating func concatenation() throws -> Expression {
    let line = current.line
    var parts = [try product()]
    while skip(symbol: "~") { parts.append(try product()) }
    return parts.count == 1 ? parts[0] : try make(.concatenation(parts), line, parts)
  }

  private mutating func product() throws -> Expression {
    let line = current.line
    var left = try power()
    while isSymbol("*") || isSymbol("/") || isSymbol("//") || isSymbol("%"),
      let operation = BinaryOperator(rawValue: current.text)
    {
      advance()
      let right = try power()
      left = try make(.binary(operation, left, right), line, [left, right])
    }
    return left
  }

  private mutating func power() throws -> Expression {
    let line = current.line
    var left = try unary()
    while skip(symbol: "**") {
      let right = try unary()
      left = try make(.binary(.power, left, right), line, [left, right])
    }
    return left
  }

  private mutating func unary(filters: Bool = true) throws -> Expression {
    let line = current.line
    nesting += 1
    defer { nesting -= 1 }
    guard nesting <= Self.maximumExpressionDepth else { throw tooDeep() }
    var node: Expression
    if skip(symbol: "-") {
      let operand = try unary(filters: false)
      node = try make(.negative(operand), line, [operand])
    } else if skip(symbol: "+") {
      let operand = try unary(filters: false)
      node = try make(.positive(operand), line, [operand])
    } else {
      node = try primary()
    }
    node = try postfix(node)
    return filters ? try filtersAndTests(node) : node
  }

  private mutating func primary() throws -> Expression {
    let token = current
    let line = token.line
    switch token.kind {
    case .name:
      advance()
      switch token.text {
      case "true", "True": return try make(.literal(.bool(true)), line, [])
      case "false", "False": return try make(.literal(.bool(false)), line, [])
      case "none", "None": return try make(.literal(.none), line, [])
      default:
        let symbol = symbols.symbol(for: token.text)
        if (SymbolTable.caller...SymbolTable.keywordArguments).contains(symbol) { specials.insert(symbol) }
        return try make(.name(symbol, token.text), line, [])
      }
    case .string:
      var text = ""
      while current.kind == .string {
        text += current.text
        advance()
      }
      return try make(.literal(.string(text)), line, [])
    case .integer(let value):
      advance()
      return try make(.literal(.integer(value)), line, [])
    case .float(let value):
      advance()
      return try make(.literal(.number(value)), line, [])
    case .symbol where token.text == "(":
      advance()
      let inner = try tuple(inParentheses: true)
      try expect(symbol: ")")
      return inner
    case .symbol where token.text == "[":
      advance()
      let elements = try listItems()
      return try make(.list(elements), line, elements)
    case .symbol where token.text == "{":
      return try dictionary()
    default:
      throw unexpected("an expression")
    }
  }

  private mutating func dictionary() throws -> Expression {
    let line = current.line
    advance()
    var members: [(key: Expression, value: Expression)] = []
    while !isSymbol("}") {
      let key = try expression()
      try expect(symbol: ":")
      members.append((key, try expression()))
      guard skip(symbol: ",") else { break }
    }
    try expect(symbol: "}")
    return try make(.dictionary(members), line, members.flatMap { [$0.key, $0.value] })
  }

  private mutating func postfix(_ start: Expression) throws -> Expression {
    var node = start
    while true {
      let line = current.line
      if skip(symbol: ".") {
        if case .integer(let value) = current.kind {
          advance()
          let index = try make(.literal(.integer(value)), line, [])
          node = try make(.subscripted(node, index), line, [node, index])
        } else {
          node = try make(.attribute(node, try expectName()), line, [node])
        }
      } else if skip(symbol: "[") {
        node = try subscripted(node, line)
      } else if isSymbol("(") {
        node = try call(node)
      } else {
        return node
      }
    }
  }

  private mutating func call(_ function: Expression) throws -> Expression {
    let line = current.line
    let arguments = try arguments()
    return try make(.call(function, arguments), line, [function] + children(of: arguments))
  }

  private mutating func subscripted(_ base: Expression, _ line: Int) throws -> Expression {
    if skip(symbol: "]") {
      // Nothing between the brackets is an empty tuple.
      let index = try make(.tuple([]), line, [])
      return try make(.subscripted(base, index), line, [base, index])
    }
    var bounds: [Expression?] = [nil]
    var colons = 0
    while !isSymbol("]") {
      if isSymbol(","), colons == 0, let first = bounds[0] {
        advance()
        let rest = try listItems()
        let index = try make(.tuple([first] + rest), line, [first] + rest)
        return try make(.subscripted(base, index), line, [base, index])
      }
      if isSymbol(":"), colons < 2 {
        advance()
        colons += 1
        bounds.append(nil)
      } else {
        guard bounds[colons] == nil else { throw unexpected("']'") }
        bounds[colons] = try expression()
      }
    }
    advance()
    guard colons > 0 else {
      guard let index = bounds[0] else { throw TemplateFailure("expected an index between '[' and ']'", line: line) }
      return try make(.subscripted(base, index), line, [base, index])
    }
    let step = colons == 2 ? bounds[2] : nil
    return try make(
      .slice(base, start: bounds[0], stop: bounds[1], step: step), line, [base] + bounds.compactMap { $0 })
  }

  /// Expressions up to a `]`, which is skipped.
  private mutating func listItems() throws -> [Expression] {
    var elements: [Expression] = []
    while !isSymbol("]") {
      elements.append(try expression())
      guard skip(symbol: ",") else { break }
    }
    try expect(symbol: "]")
    return elements
  }

  private func children(of arguments: ArgumentList) -> [Expression] {
    arguments.positional + arguments.keywords.map(\.value)
      + [arguments.spread, arguments.keywordSpread].compactMap { $0 }
  }

  private mutating func arguments() throws -> ArgumentList {
    let line = current.line
    try expect(symbol: "(")
    var list = ArgumentList()
    while !isSymbol(")") {
      if isSymbol("*"), list.spread == nil, list.keywordSpread == nil {
        advance()
        list.spread = try expression()
      } else if isSymbol("**"), list.keywordSpread == nil {
        advance()
        list.keywordSpread = try expression()
      } else if current.kind == .name, next.kind == .symbol, next.text == "=", list.keywordSpread == nil {
        let name = try expectName()
        advance()
        guard !list.keywords.contains(where: { $0.name == name }) else {
          throw TemplateFailure("the argument '\(name)' is given twice", line: line)
        }
        list.keywords.append((name, try expression()))
      } else {
        guard list.keywords.isEmpty, list.spread == nil, list.keywordSpread == nil else {
          throw TemplateFailure("a positional argument follows others", line: line)
        }
        list.positional.append(try expression())
      }
      guard skip(symbol: ",") else { break }
    }
    try expect(symbol: ")")
    return list
  }

  private mutating func filtersAndTests(_ start: Expression) throws -> Expression {
    var node = start
    while true {
      let line = current.line
      if isSymbol("|") {
        advance()
        let filter = try filter()
        node = try make(.filter(node, filter), line, [node] + children(of: filter.arguments))
      } else if isName("is") {
        node = try test(node)
      } else if isSymbol("(") {
        node = try call(node)
      } else {
        return node
      }
    }
  }

  /// A filter's or test's name, which may have dots.
  private mutating func dottedName() throws -> String {
    var name = try expectName()
    while skip(symbol: ".") { name += "." + (try expectName()) }
    return name
  }

  private mutating func filter() throws -> FilterUse {
    let name = try dottedName()
    guard !Filters.unsupported.contains(name) else {
      throw TemplateFailure("the filter '\(name)' is not supported", line: current.line)
    }
    let arguments = isSymbol("(") ? try arguments() : ArgumentList()
    return FilterUse(name: name, function: Filters.named(name), arguments: arguments)
  }

  /// The filters of a `filter` block (which starts with a name) or of a block `set` (with `|`).
  mutating func filterChain(first: Bool) throws -> [FilterUse] {
    var filters: [FilterUse] = first ? [try filter()] : []
    while skip(symbol: "|") { filters.append(try filter()) }
    return filters
  }

  private mutating func test(_ node: Expression) throws -> Expression {
    let line = current.line
    advance()
    let isNegated = skip(name: "not")
    let name = try dottedName()
    var arguments = ArgumentList()
    if isSymbol("(") {
      arguments = try self.arguments()
    } else if startsArgument() {
      guard !isName("is") else { throw TemplateFailure("tests cannot be chained with 'is'", line: line) }
      arguments.positional = [try postfix(try primary())]
    }
    let use = TestUse(name: name, function: Tests.named(name), arguments: arguments)
    let result = try make(.test(node, use), line, [node] + children(of: arguments))
    return isNegated ? try make(.not(result), line, [result]) : result
  }

  /// Whether a test's single argument without parentheses follows, as in `is divisibleby 3`.
  private func startsArgument() -> Bool {
    switch current.kind {
    case .name: return !["else", "or", "and"].contains(current.text)
    case .string, .integer, .float: return true
    case .symbol: return current.text == "[" || current.text == "{"
    default: return false
    }
  }
}
