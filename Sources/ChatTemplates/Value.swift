/// What a template computes with: the values of Python that Jinja templates see.
///
/// Lists, tuples and mappings never change once made, as in the sandbox that `apply_chat_template` uses;
/// only namespaces do.
enum Value {
  /// Something that does not exist; the name says what, for messages.
  case undefined(String)
  case none
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case list(ValueList)
  case tuple(ValueList)
  case mapping(Mapping)
  case namespace(Namespace)
  /// What filters such as `select` give: true as a condition, without a length, consumed by walking it.
  case iterator(ValueIterator)
  case macro(Macro)
  case method(Method)
  case builtin(Builtin)
  case loop(LoopState)
}

extension Value {
  /// Levels of values inside values that a template may build. Bounds recursion over values, also when they are freed.
  static let maximumDepth = 160

  static func list(_ items: [Value]) throws -> Value { .list(try ValueList(items)) }
  static func tuple(_ items: [Value]) throws -> Value { .tuple(try ValueList(items)) }

  var depth: Int {
    switch self {
    case .list(let list), .tuple(let list): list.depth
    case .mapping(let mapping): mapping.depth
    case .iterator(let iterator): iterator.depth
    case .method(let method): method.receiver.depth + 1
    case .loop(let loop): loop.depth
    default: 0
    }
  }

  /// The depth of a value that holds `items`.
  static func depth(holding items: some Sequence<Value>) throws -> Int {
    var depth = 0
    for item in items { depth = max(depth, item.depth) }
    guard depth < maximumDepth else { throw TemplateFailure("values are nested more than \(maximumDepth) deep") }
    return depth + 1
  }

  /// Truth as Python has it.
  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .bool(let value): value
    case .integer(let value): value != 0
    case .number(let value): value != 0
    case .string(let value): !value.isEmpty
    case .list(let list), .tuple(let list): !list.items.isEmpty
    case .mapping(let mapping): !mapping.entries.isEmpty
    case .loop(let loop): !loop.items.isEmpty
    case .namespace, .iterator, .macro, .method, .builtin: true
    }
  }

  var isUndefined: Bool {
    if case .undefined = self { return true }
    return false
  }

  var string: String? {
    guard case .string(let value) = self else { return nil }
    return value
  }

  /// The value as an integer where Python takes one: booleans count.
  var integer: Int? {
    switch self {
    case .integer(let value): value
    case .bool(let value): value ? 1 : 0
    default: nil
    }
  }

  var double: Double? {
    switch self {
    case .number(let value): value
    default: integer.map(Double.init)
    }
  }

  /// The kind of value as an author of templates calls it.
  var kind: String {
    switch self {
    case .undefined(let name): "undefined '\(name)'"
    case .none: "none"
    case .bool: "a boolean"
    case .integer: "an integer"
    case .number: "a float"
    case .string: "a string"
    case .list: "a list"
    case .tuple: "a tuple"
    case .mapping: "a mapping"
    case .namespace: "a namespace"
    case .iterator: "an iterator"
    case .macro: "a macro"
    case .method, .builtin: "a function"
    case .loop: "a loop"
    }
  }
}

final class ValueList {
  let items: [Value]
  let depth: Int

  init(_ items: [Value]) throws {
    self.items = items
    depth = try Value.depth(holding: items)
  }
}

final class ValueIterator {
  private(set) var remaining: ArraySlice<Value>
  let depth: Int

  init(_ items: [Value]) throws {
    remaining = items[...]
    depth = try Value.depth(holding: items)
  }

  func takeAll() -> [Value] {
    defer { remaining = [] }
    return Array(remaining)
  }

  func takeFirst() -> Value? { remaining.popFirst() }
}

/// The one kind of value with attributes that `set` may change.
final class Namespace {
  private(set) var attributes: [(name: String, value: Value)] = []

  func value(_ name: String) -> Value? { attributes.first { $0.name.isIdentical(to: name) }?.value }

  func set(_ name: String, _ value: Value) throws {
    guard !name.hasPrefix("_") else {
      throw TemplateFailure("a namespace's attribute may not start with an underscore: '\(name)'")
    }
    if let index = attributes.firstIndex(where: { $0.name.isIdentical(to: name) }) {
      attributes[index].value = value
    } else {
      attributes.append((name, value))
    }
  }

  func removeAll() { attributes = [] }
}

final class Macro {
  let definition: MacroDefinition
  let scope: Scope

  init(_ definition: MacroDefinition, scope: Scope) {
    self.definition = definition
    self.scope = scope
  }
}

final class Method {
  let receiver: Value
  let name: String

  init(_ receiver: Value, _ name: String) {
    self.receiver = receiver
    self.name = name
  }
}

/// The `loop` of a running `for`.
final class LoopState {
  let items: [Value]
  let level: Int
  let depth: Int
  /// What `loop(…)` runs again in a recursive loop.
  let recursion: (loop: Loop, scope: Scope)?
  var index = 0
  var lastChanged: [Value]?

  init(_ items: [Value], level: Int, recursion: (loop: Loop, scope: Scope)?) throws {
    self.items = items
    self.level = level
    self.recursion = recursion
    depth = try Value.depth(holding: items)
  }
}
