/// Refuses filters and tests that do not exist, where jinja2 does so before a template runs.
///
/// Inside an `if`, which may guard what a template needs, the name is looked for only when it is used; a body with names of
/// its own inside that `if` (a loop, a macro, …) is checked again.
struct NameCheck {
  private var isGuarded = false

  static func check(_ statements: [Statement]) throws {
    var check = NameCheck()
    try check.check(statements)
  }

  private mutating func within(guarded: Bool, _ body: (inout NameCheck) throws -> Void) rethrows {
    var inner = NameCheck(isGuarded: guarded)
    try body(&inner)
  }

  private mutating func check(_ statements: [Statement]) throws {
    for statement in statements { try check(statement) }
  }

  private mutating func check(_ statement: Statement) throws {
    switch statement.form {
    case .text, .breakLoop, .continueLoop: break
    case .print(let expression), .assign(_, let expression): try check(expression)
    case .condition(let branches, let otherwise):
      try within(guarded: true) { inner in
        for branch in branches {
          try inner.check(branch.test)
          try inner.check(branch.body)
        }
        try inner.check(otherwise)
      }
    case .loop(let loop):
      try check(loop.iterable)
      try within(guarded: false) { inner in
        if let test = loop.test { try inner.check(test) }
        try inner.check(loop.body)
        try inner.check(loop.otherwise)
      }
    case .assignBlock(_, let filters, let body), .filter(let filters, let body):
      try within(guarded: false) { inner in
        for filter in filters { try inner.check(filter, statement.line) }
        try inner.check(body)
      }
    case .macro(let definition): try check(definition)
    case .call(let definition, let expression):
      try check(definition)
      try check(expression)
    case .with(let bindings, let body):
      try within(guarded: false) { inner in
        for binding in bindings { try inner.check(binding.value) }
        try inner.check(body)
      }
    case .generation(let body): try within(guarded: false) { try $0.check(body) }
    }
  }

  private mutating func check(_ definition: MacroDefinition) throws {
    try within(guarded: false) { inner in
      for parameter in definition.parameters { if let value = parameter.defaultValue { try inner.check(value) } }
      try inner.check(definition.body)
    }
  }

  private mutating func check(_ filter: FilterUse, _ line: Int) throws {
    guard filter.function != nil || isGuarded else {
      throw TemplateFailure(.syntax, "there is no filter '\(filter.name)'", line: line)
    }
    try check(filter.arguments)
  }

  private mutating func check(_ list: ArgumentList) throws {
    for argument in list.positional + list.keywords.map(\.value) { try check(argument) }
    for spread in [list.spread, list.keywordSpread] { if let spread { try check(spread) } }
  }

  private mutating func check(_ node: Expression) throws {
    switch node.form {
    case .literal, .name: break
    case .list(let parts), .tuple(let parts), .concatenation(let parts): for part in parts { try check(part) }
    case .dictionary(let members):
      for (key, value) in members {
        try check(key)
        try check(value)
      }
    case .attribute(let base, _), .not(let base), .negative(let base), .positive(let base): try check(base)
    case .subscripted(let left, let right), .and(let left, let right), .or(let left, let right),
      .binary(_, let left, let right):
      try check(left)
      try check(right)
    case .slice(let base, let start, let stop, let step):
      for part in [base, start, stop, step] { if let part { try check(part) } }
    case .call(let function, let arguments):
      try check(function)
      try check(arguments)
    case .filter(let operand, let use):
      try check(operand)
      try check(use, node.line)
    case .test(let operand, let use):
      guard use.function != nil || isGuarded else {
        throw TemplateFailure(.syntax, "there is no test '\(use.name)'", line: node.line)
      }
      try check(operand)
      try check(use.arguments)
    case .comparison(let first, let rest):
      try check(first)
      for (_, operand) in rest { try check(operand) }
    case .conditional(let test, let then, let otherwise):
      try within(guarded: true) { inner in
        for part in [test, then, otherwise] { if let part { try inner.check(part) } }
      }
    }
  }
}
