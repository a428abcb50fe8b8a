extension Interpreter {
  func evaluate(_ node: Expression, in scope: Scope) throws -> Value {
    try budget.step()
    switch node.form {
    case .literal(let literal):
      switch literal {
      case .string(let value): return .string(value)
      case .integer(let value): return .integer(value)
      case .bool(let value): return .bool(value)
      case .number(let value): return .number(value)
      case .none: return .none
      }
    case .name(let symbol, let name):
      if let value = scope.value(symbol) { return value }
      if let builtin = Builtin(rawValue: name) { return .builtin(builtin) }
      return .undefined(name)
    case .attribute(let base, let name): return try attribute(name, of: try evaluate(base, in: scope))
    case .subscripted(let base, let index):
      let value = try evaluate(base, in: scope)
      return try item(try evaluate(index, in: scope), of: value)
    case .not(let operand): return .bool(try !evaluate(operand, in: scope).isTrue)
    case .and(let left, let right):
      let value = try evaluate(left, in: scope)
      return value.isTrue ? try evaluate(right, in: scope) : value
    case .or(let left, let right):
      let value = try evaluate(left, in: scope)
      return value.isTrue ? value : try evaluate(right, in: scope)
    case .comparison(let first, let rest): return try compare(first, rest, in: scope)
    case .binary(let operation, let left, let right):
      let leftValue = try evaluate(left, in: scope)
      return try apply(operation, leftValue, try evaluate(right, in: scope))
    case .concatenation(let parts): return try concatenate(parts, in: scope)
    case .filter(let operand, let use): return try apply(use, to: try evaluate(operand, in: scope), in: scope)
    case .test(let operand, let use): return .bool(try holds(use, for: operand, in: scope))
    case .call(let function, let arguments): return try deeper { try call(function, arguments, in: scope) }
    case .conditional(let test, let then, let otherwise):
      if try evaluate(test, in: scope).isTrue { return try evaluate(then, in: scope) }
      return try otherwise.map { try evaluate($0, in: scope) } ?? .undefined("the value of an if without else")
    case .list, .tuple, .dictionary, .slice, .negative, .positive: return try evaluateRest(node, in: scope)
    }
  }

  /// The less frequent forms, apart so that the frames of the frequent ones stay small.
  private func evaluateRest(_ node: Expression, in scope: Scope) throws -> Value {
    switch node.form {
    case .list(let elements): return try .list(elements.map { try evaluate($0, in: scope) })
    case .tuple(let elements): return try .tuple(elements.map { try evaluate($0, in: scope) })
    case .dictionary(let members):
      return .mapping(
        try Mapping(members.map { (try evaluate($0.key, in: scope), try evaluate($0.value, in: scope)) }))
    case .slice(let base, let start, let stop, let step):
      return try slice(
        try evaluate(base, in: scope), start: try start.map { try evaluate($0, in: scope) },
        stop: try stop.map { try evaluate($0, in: scope) }, step: try step.map { try evaluate($0, in: scope) })
    case .negative(let operand):
      let value = try evaluate(operand, in: scope)
      if case .number(let number) = value { return .number(-number) }
      if let absence = value.absence { throw absence }
      guard let integer = value.integer else { throw TemplateFailure("cannot negate \(value.kind)") }
      return try apply(.subtract, .integer(0), .integer(integer))
    case .positive(let operand):
      let value = try evaluate(operand, in: scope)
      if case .number = value { return value }
      if let absence = value.absence { throw absence }
      guard let integer = value.integer else { throw TemplateFailure("'+' expects a number, found \(value.kind)") }
      return .integer(integer)
    default: preconditionFailure("an expression of another form")
    }
  }

  private func concatenate(_ parts: [Expression], in scope: Scope) throws -> Value {
    var result = ""
    for part in parts {
      let value = try evaluate(part, in: scope)
      if case .string(let text) = value { result += text } else { result += try text(value) }
      try budget.text(result.utf8.count)
    }
    return .string(result)
  }

  private func compare(_ first: Expression, _ rest: [(Comparison, Expression)], in scope: Scope) throws -> Value {
    var left = try evaluate(first, in: scope)
    for (comparison, operand) in rest {
      let right = try evaluate(operand, in: scope)
      guard try compare(comparison, left, right) else { return .bool(false) }
      left = right
    }
    return .bool(true)
  }

  func evaluate(_ list: ArgumentList, in scope: Scope) throws -> Arguments {
    if list.isEmpty { return Arguments() }
    var arguments = Arguments()
    arguments.positional = try list.positional.map { try evaluate($0, in: scope) }
    for (name, value) in list.keywords { arguments.keywords.append((name, try evaluate(value, in: scope))) }
    if let spread = list.spread { arguments.positional += try elements(of: try evaluate(spread, in: scope)) }
    if let spread = list.keywordSpread {
      guard case .mapping(let mapping) = try evaluate(spread, in: scope) else {
        throw TemplateFailure("'**' expects a mapping")
      }
      for (key, value) in mapping.entries {
        guard case .string(let name) = key else { throw TemplateFailure("'**' expects names as keys") }
        arguments.keywords.append((name, value))
      }
    }
    return arguments
  }

  func apply(_ use: FilterUse, to value: Value, in scope: Scope) throws -> Value {
    guard let function = use.function else { throw TemplateFailure(.runtime, "there is no filter '\(use.name)'") }
    return try function(self, value, try evaluate(use.arguments, in: scope))
  }

  private func holds(_ use: TestUse, for operand: Expression, in scope: Scope) throws -> Bool {
    guard let function = use.function else { throw TemplateFailure(.runtime, "there is no test '\(use.name)'") }
    let value = try evaluate(operand, in: scope)
    return try function(self, value, try evaluate(use.arguments, in: scope))
  }

  private func call(_ function: Expression, _ list: ArgumentList, in scope: Scope) throws -> Value {
    // A method that is called at once needs no value of its own.
    if case .attribute(let base, let name) = function.form {
      let receiver = try evaluate(base, in: scope)
      if Methods.exists(name, on: receiver) {
        return try callMethod(name, on: receiver, try evaluate(list, in: scope))
      }
      return try call(try attribute(name, of: receiver), try evaluate(list, in: scope))
    }
    let callee = try evaluate(function, in: scope)
    return try call(callee, try evaluate(list, in: scope))
  }

  func call(_ callee: Value, _ arguments: Arguments) throws -> Value {
    switch callee {
    case .builtin(let builtin): return try call(builtin, arguments)
    case .macro(let macro): return try call(macro, arguments)
    case .method(let method): return try callMethod(method.name, on: method.receiver, arguments)
    case .loop(let state):
      guard let (loop, scope) = state.recursion else {
        throw TemplateFailure("the loop cannot be called: it is not marked as recursive")
      }
      let items = try arguments.bind("loop", ["iterable"])[0] ?? .undefined("iterable")
      return .string(try captured { _ = try run(loop, over: items, in: scope, level: state.level + 1) })
    case .undefined, .refused: throw callee.absence!
    case .joiner(let joiner):
      _ = try arguments.bind("joiner", [])
      defer { joiner.isUsed = true }
      return joiner.isUsed ? joiner.separator : .string("")
    default: throw TemplateFailure("\(callee.kind) cannot be called")
    }
  }
}
