/// One rendering of one template: runs statements, collects output, and watches the bounds.
final class Interpreter {
  enum Flow {
    case onward, breakLoop, continueLoop
  }

  let clock: Clock
  var budget = Budget()
  /// The line of the statement that runs, for messages.
  var line = 1
  private var output = ""
  /// Levels of ``captured(_:)``, and the bytes that were written outside of all of them.
  private var captures = 0
  private var written = 0
  /// Where `generation` blocks began, in bytes of the text outside of captures, and their code points.
  private var generated: [(start: Int, count: Int)] = []
  /// Everything that can be part of a cycle; emptied at the end.
  private var scopes: [Scope] = []
  private var namespaces: [Namespace] = []

  init(clock: Clock) { self.clock = clock }

  /// What a filter block wrote that is no text, since the innermost capture began.
  private var unwritable: TemplateFailure?

  func render(_ statements: [Statement], in scope: Scope) throws -> ChatTemplate.Rendering {
    scopes.append(scope)
    _ = try run(statements, in: scope)
    if let unwritable { throw unwritable }
    let text = output
    let spans = generated.map { span in
      let start = text.unicodeScalars.distance(
        from: text.startIndex, to: text.utf8.index(text.startIndex, offsetBy: span.start))
      return start..<start + span.count
    }
    return ChatTemplate.Rendering(text: text, generated: spans)
  }

  /// Breaks the cycles that namespaces and macros may have made, so that a rendering leaves nothing behind.
  func dissolve() {
    for namespace in namespaces { namespace.removeAll() }
    for scope in scopes { scope.dissolve() }
  }

  func remember(_ namespace: Namespace) { namespaces.append(namespace) }

  /// What `body` writes, in place of writing it.
  func captured(_ body: () throws -> Void) throws -> String {
    let (outer, outerUnwritable) = (output, unwritable)
    (output, unwritable) = ("", nil)
    captures += 1
    defer {
      (output, unwritable) = (outer, outerUnwritable)
      captures -= 1
    }
    try body()
    if let unwritable { throw unwritable }
    return output
  }

  private func write(_ text: String) throws {
    output += text
    if captures == 0 { written += text.utf8.count }
    try budget.text(text.utf8.count)
    if output.utf8.count > Budget.maximumText {
      throw TemplateFailure(.bound, "the rendered text is larger than \(Budget.maximumText) bytes")
    }
  }

  /// Counts a level of nesting while `body` runs.
  @inline(__always)
  func deeper<Result>(_ body: () throws -> Result) throws -> Result {
    budget.depth += 1
    defer { budget.depth -= 1 }
    guard budget.depth <= Budget.maximumDepth else {
      throw TemplateFailure(
        .bound, "the template runs more than \(Budget.maximumDepth) levels deep; does a macro call itself?")
    }
    return try body()
  }

  func run(_ statements: [Statement], in scope: Scope) throws -> Flow {
    try deeper {
      for statement in statements {
        line = statement.line
        try budget.step()
        let flow = try run(statement, in: scope)
        if flow != .onward { return flow }
      }
      return .onward
    }
  }

  private func run(_ statement: Statement, in scope: Scope) throws -> Flow {
    switch statement.form {
    case .text(let text): try write(text)
    case .print(let expression):
      let value = try evaluate(expression, in: scope)
      if case .string(let text) = value { try write(text) } else { try write(try text(value)) }
    case .condition(let branches, let otherwise):
      for branch in branches where try evaluate(branch.test, in: scope).isTrue {
        return try run(branch.body, in: scope)
      }
      return try run(otherwise, in: scope)
    case .loop(let loop): return try run(loop, over: try evaluate(loop.iterable, in: scope), in: scope, level: 1)
    case .assign(let target, let expression):
      if case .name = target {} else { try checkNamespaces(target, in: scope) }
      try assign(try evaluate(expression, in: scope), to: target, in: scope)
    case .assignBlock, .macro, .call, .filter, .with, .generation: return try runBlock(statement, in: scope)
    case .breakLoop: return .breakLoop
    case .continueLoop: return .continueLoop
    }
    return .onward
  }

  private func runBlock(_ statement: Statement, in scope: Scope) throws -> Flow {
    var flow = Flow.onward
    switch statement.form {
    case .assignBlock(let target, let filters, let body):
      let text = try captured { flow = try run(body, in: Scope(parent: scope)) }
      // A loop that is left from within the block loses what the block wrote.
      if flow != .onward { return flow }
      try assign(try apply(filters, to: text, in: scope), to: target, in: scope)
    case .macro(let definition):
      scope.set(definition.symbol, .macro(macro(definition, in: scope)))
    case .call(let definition, let expression):
      guard case .call(let function, let list) = expression.form else {
        preconditionFailure("call block without a call")
      }
      let callee = try evaluate(function, in: scope)
      var arguments = try evaluate(list, in: scope)
      arguments.keywords.append(("caller", .macro(macro(definition, in: scope))))
      let result = try call(callee, arguments)
      try write(try text(result))
    case .filter(let filters, let body):
      let text = try captured { flow = try run(body, in: Scope(parent: scope)) }
      if flow != .onward { return flow }
      let value = try apply(filters, to: text, in: scope)
      // jinja2 joins what is written when the text around it is complete, and finds out then.
      if value.string == nil, unwritable == nil {
        unwritable = TemplateFailure("a filter block writes \(value.kind), not text")
      }
      try write(try self.text(value))
    case .with(let bindings, let body):
      let inner = Scope(parent: scope)
      // Values see the names outside, not each other.
      let values = try bindings.map { try evaluate($0.value, in: scope) }
      for (binding, value) in zip(bindings, values) { try assign(value, to: binding.target, in: inner) }
      flow = try run(body, in: inner)
    case .generation(let body):
      let text = try captured { _ = try run(body, in: Scope(parent: scope)) }
      generated.append((written, text.unicodeScalars.count))
      try write(text)
    default: preconditionFailure("not a block")
    }
    return flow
  }

  private func macro(_ definition: MacroDefinition, in scope: Scope) -> Macro {
    scopes.append(scope)
    return Macro(definition, scope: scope)
  }

  private func apply(_ filters: [FilterUse], to text: String, in scope: Scope) throws -> Value {
    var value = Value.string(text)
    for filter in filters { value = try apply(filter, to: value, in: scope) }
    return value
  }

  /// What is assigned to by `name.attribute` has to be a namespace before the value is looked at.
  private func checkNamespaces(_ target: Target, in scope: Scope) throws {
    switch target {
    case .name: break
    case .attribute(let symbol, let name, let attribute):
      guard case .namespace? = scope.value(symbol) else {
        throw TemplateFailure(.runtime, "cannot assign to '\(name).\(attribute)': '\(name)' is not a namespace")
      }
    case .tuple(let targets): for target in targets { try checkNamespaces(target, in: scope) }
    }
  }

  func assign(_ value: Value, to target: Target, in scope: Scope) throws {
    switch target {
    case .name(let symbol): scope.set(symbol, value)
    case .attribute(let symbol, let name, let attribute):
      guard case .namespace(let namespace)? = scope.value(symbol) else {
        throw TemplateFailure(.runtime, "cannot assign to '\(name).\(attribute)': '\(name)' is not a namespace")
      }
      try namespace.set(attribute, value)
    case .tuple(let targets):
      let values = try elements(of: value)
      guard values.count == targets.count else {
        throw TemplateFailure(.value, "expected \(targets.count) values to unpack, found \(values.count)")
      }
      for (target, value) in zip(targets, values) { try assign(value, to: target, in: scope) }
    }
  }

  func run(_ loop: Loop, over value: Value, in scope: Scope, level: Int) throws -> Flow {
    var items = try elements(of: value)
    try budget.step(items.count)
    var inner = Scope(parent: scope)
    if let test = loop.test {
      items = try items.filter { item in
        inner.removeAll()
        try assign(item, to: loop.target, in: inner)
        return try evaluate(test, in: inner).isTrue
      }
    }
    if items.isEmpty {
      return try run(loop.otherwise, in: Scope(parent: scope))
    }
    let state = try LoopState(items, level: level, recursion: loop.isRecursive ? (loop, scope) : nil)
    if loop.isRecursive { scopes.append(scope) }
    var hasCompleted = false
    for (index, item) in items.enumerated() {
      // A macro defined in the body may still hold the scope of the turn before.
      if isKnownUniquelyReferenced(&inner) { inner.removeAll() } else { inner = Scope(parent: scope) }
      state.index = index
      inner.set(SymbolTable.loop, .loop(state))
      try assign(item, to: loop.target, in: inner)
      let flow = try run(loop.body, in: inner)
      if flow == .breakLoop { break }
      if flow == .onward { hasCompleted = true }
    }
    // As in jinja2, `else` also follows a loop of which every turn was left early.
    return hasCompleted ? .onward : try run(loop.otherwise, in: Scope(parent: scope))
  }

  /// Runs a macro's body with its parameters bound.
  func call(_ macro: Macro, _ arguments: Arguments) throws -> Value {
    let definition = macro.definition
    let scope = Scope(parent: macro.scope)
    var keywords = arguments.keywords
    func take(_ name: String) -> Value? {
      keywords.firstIndex { $0.name == name }.map { keywords.remove(at: $0).value }
    }
    var missing: [MacroDefinition.Parameter] = []
    for (index, parameter) in definition.parameters.enumerated() {
      if index < arguments.positional.count {
        scope.set(parameter.symbol, arguments.positional[index])
      } else if let given = take(parameter.name) {
        scope.set(parameter.symbol, given)
      } else {
        missing.append(parameter)
      }
    }
    if definition.specials.contains(SymbolTable.caller) {
      scope.set(SymbolTable.caller, take("caller") ?? .undefined("caller"))
    }
    if definition.specials.contains(SymbolTable.keywordArguments) {
      scope.set(SymbolTable.keywordArguments, .mapping(try Mapping(keywords.map { (.string($0.name), $0.value) })))
    } else if let (name, _) = keywords.first {
      throw TemplateFailure("macro '\(definition.name)' has no parameter '\(name)' left to give")
    }
    let extra = arguments.positional.dropFirst(definition.parameters.count)
    if definition.specials.contains(SymbolTable.variableArguments) {
      scope.set(SymbolTable.variableArguments, try .tuple(Array(extra)))
    } else if !extra.isEmpty {
      throw TemplateFailure("macro '\(definition.name)' takes at most \(definition.parameters.count) arguments")
    }
    for parameter in missing {
      let value = try parameter.defaultValue.map { try evaluate($0, in: scope) }
      scope.set(parameter.symbol, value ?? .undefined(parameter.name))
    }
    let callLine = line
    let text = try captured { _ = try run(definition.body, in: scope) }
    line = callLine
    return .string(text)
  }
}
