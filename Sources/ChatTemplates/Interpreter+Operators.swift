import Glibc

extension Interpreter {
  func apply(_ operation: BinaryOperator, _ left: Value, _ right: Value) throws -> Value {
    if let a = left.integer, let b = right.integer { return try integers(operation, a, b) }
    if let a = left.double, let b = right.double { return try numbers(operation, a, b) }
    switch (operation, left, right) {
    case (.add, .string(let a), .string(let b)):
      try budget.text(a.utf8.count + b.utf8.count)
      return .string(a + b)
    case (.add, .list(let a), .list(let b)):
      try budget.elements(a.items.count + b.items.count)
      return try .list(a.items + b.items)
    case (.add, .tuple(let a), .tuple(let b)):
      try budget.elements(a.items.count + b.items.count)
      return try .tuple(a.items + b.items)
    case (.multiply, .string, _), (.multiply, .list, _), (.multiply, .tuple, _):
      if let count = right.integer { return try repeated(left, count) }
    case (.multiply, _, .string), (.multiply, _, .list), (.multiply, _, .tuple):
      if let count = left.integer { return try repeated(right, count) }
    case (.modulo, .string(let format), _):
      return .string(try PercentFormat.text(format, right, self))
    default: break
    }
    if let absence = left.absence ?? right.absence { throw absence }
    throw TemplateFailure("'\(operation.rawValue)' does not work between \(left.kind) and \(right.kind)")
  }

  private func repeated(_ value: Value, _ count: Int) throws -> Value {
    let count = max(count, 0)
    func total(_ size: Int) throws -> Int {
      let (total, overflow) = size.multipliedReportingOverflow(by: count)
      guard !overflow else { throw TemplateFailure(.bound, "the template repeats a value too often") }
      return total
    }
    switch value {
    case .string(let text):
      if text.isEmpty { return value }
      try budget.text(try total(text.utf8.count))
      return .string(String(repeating: text, count: count))
    case .list(let list), .tuple(let list):
      if list.items.isEmpty { return value }
      try budget.elements(try total(list.items.count))
      let items = Array(repeatElement(list.items, count: count).joined())
      if case .list = value { return try .list(items) }
      return try .tuple(items)
    default: preconditionFailure("not a sequence")
    }
  }

  /// Integers as Python has them, except that a result beyond 64 bits is an error.
  private func integers(_ operation: BinaryOperator, _ a: Int, _ b: Int) throws -> Value {
    var result: (partialValue: Int, overflow: Bool)
    switch operation {
    case .add: result = a.addingReportingOverflow(b)
    case .subtract: result = a.subtractingReportingOverflow(b)
    case .multiply: result = a.multipliedReportingOverflow(by: b)
    case .divide: return try numbers(.divide, Double(a), Double(b))
    case .floorDivide, .modulo:
      guard b != 0 else { throw TemplateFailure(.division, "division by zero") }
      if operation == .modulo {
        if b == -1 { return .integer(0) }
        let remainder = a % b
        return .integer(remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder)
      }
      result = a.dividedReportingOverflow(by: b)
      if !result.overflow, a % b != 0, (a < 0) != (b < 0) { result.partialValue -= 1 }
    case .power:
      guard b >= 0 else { return try numbers(.power, Double(a), Double(b)) }
      result = (1, false)
      var (base, exponent) = (a, b)
      while exponent > 0, !result.overflow {
        if exponent & 1 == 1 { result = result.partialValue.multipliedReportingOverflow(by: base) }
        exponent >>= 1
        if exponent > 0, !result.overflow {
          let square = base.multipliedReportingOverflow(by: base)
          base = square.partialValue
          result.overflow = square.overflow
        }
      }
    }
    guard !result.overflow else {
      throw TemplateFailure(.bound, "the result of '\(operation.rawValue)' does not fit 64 bits")
    }
    return .integer(result.partialValue)
  }

  private func numbers(_ operation: BinaryOperator, _ a: Double, _ b: Double) throws -> Value {
    switch operation {
    case .add: return .number(a + b)
    case .subtract: return .number(a - b)
    case .multiply: return .number(a * b)
    case .power:
      guard a != 0 || b >= 0 else { throw TemplateFailure(.division, "0 cannot be raised to a negative power") }
      guard a >= 0 || b == b.rounded() || !b.isFinite else {
        throw TemplateFailure(.bound, "complex numbers are not supported")
      }
      let result = pow(a, b)
      guard result.isFinite || !a.isFinite || !b.isFinite else {
        throw TemplateFailure(.bound, "the result of '**' is too large")
      }
      return .number(result)
    case .divide, .floorDivide, .modulo:
      guard b != 0 else { throw TemplateFailure(.division, "division by zero") }
      if operation == .divide { return .number(a / b) }
      var remainder = fmod(a, b)
      if remainder != 0, (remainder < 0) != (b < 0) { remainder += b }
      if operation == .modulo { return .number(remainder == 0 ? copysign(0, b) : remainder) }
      let quotient = (a - remainder) / b
      let whole = quotient.rounded(.down)
      return .number(quotient - whole > 0.5 ? whole + 1 : whole)
    }
  }

  func compare(_ comparison: Comparison, _ left: Value, _ right: Value) throws -> Bool {
    switch comparison {
    case .equal: return try equals(left, right)
    case .notEqual: return try !equals(left, right)
    case .contained: return try contains(right, left)
    case .notContained: return try !contains(right, left)
    case .less: return try isOrdered(left, right, "<")
    case .greater: return try isOrdered(right, left, ">")
    case .lessOrEqual:
      if let a = left.double, let b = right.double, a.isNaN || b.isNaN { return false }
      return try !isOrdered(right, left, "<=")
    case .greaterOrEqual:
      if let a = left.double, let b = right.double, a.isNaN || b.isNaN { return false }
      return try !isOrdered(left, right, ">=")
    }
  }

  func equals(_ left: Value, _ right: Value) throws -> Bool {
    try budget.step()
    if let a = left.integer, let b = right.integer { return a == b }
    if let a = left.double, let b = right.double { return a == b }
    switch (left, right) {
    case (.string(let a), .string(let b)): return a.isIdentical(to: b)
    case (.none, .none), (.undefined, .undefined), (.undefined, .refused), (.refused, .undefined), (.refused, .refused):
      return true
    case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)):
      if a === b { return true }
      guard a.items.count == b.items.count else { return false }
      for (x, y) in zip(a.items, b.items) where try !equals(x, y) { return false }
      return true
    case (.mapping(let a), .mapping(let b)):
      if a === b { return true }
      guard a.entries.count == b.entries.count else { return false }
      for (key, value) in a.entries {
        guard let other = try b.value(of: key), try equals(value, other) else { return false }
      }
      return true
    case (.namespace(let a), .namespace(let b)): return a === b
    case (.macro(let a), .macro(let b)): return a === b
    case (.loop(let a), .loop(let b)): return a === b
    case (.iterator(let a), .iterator(let b)): return a === b
    case (.builtin(let a), .builtin(let b)): return a == b
    case (.cycler(let a), .cycler(let b)): return a === b
    case (.joiner(let a), .joiner(let b)): return a === b
    case (.method(let a), .method(let b)):
      guard a.name == b.name, case .bool(true) = Value.bool(a.receiver.isSameObject(as: b.receiver)) else {
        return false
      }
      return true
    case (.view(let a), .view(let b)): return try equals(a, b)
    default: return false
    }
  }

  private func equals(_ a: View, _ b: View) throws -> Bool {
    if a === b { return true }
    guard a.items.count == b.items.count else { return false }
    switch (a.kind, b.kind) {
    case (.range, .range): return try zip(a.items, b.items).allSatisfy { try equals($0, $1) }
    case (.keys, .keys), (.pairs, .pairs):
      return try a.items.allSatisfy { item in try b.items.contains { try equals(item, $0) } }
    default: return false
    }
  }

  /// Whether `left` comes before `right`: numbers, text by code points, lists and tuples by their elements.
  func isOrdered(_ left: Value, _ right: Value, _ sign: String = "<") throws -> Bool {
    try budget.step()
    if let a = left.integer, let b = right.integer { return a < b }
    if let a = left.double, let b = right.double { return a < b }
    switch (left, right) {
    // UTF-8 keeps the order of code points.
    case (.string(let a), .string(let b)): return a.utf8.lexicographicallyPrecedes(b.utf8)
    case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)):
      for (x, y) in zip(a.items, b.items) where try !equals(x, y) { return try isOrdered(x, y, sign) }
      return a.items.count < b.items.count
    default:
      if let absence = left.absence ?? right.absence { throw absence }
      throw TemplateFailure("'\(sign)' does not work between \(left.kind) and \(right.kind)")
    }
  }

  /// `item in container`.
  func contains(_ container: Value, _ item: Value) throws -> Bool {
    switch container {
    case .string(let text):
      guard case .string(let part) = item else {
        throw TemplateFailure("'in' expects a string before a string, found \(item.kind)")
      }
      try budget.step(text.utf8.count / 16)
      return PythonText.find(part, in: text) != nil
    case .mapping(let mapping): return try mapping.value(of: item) != nil
    default:
      for element in try elements(of: container) where try equals(element, item) { return true }
      return false
    }
  }
}
