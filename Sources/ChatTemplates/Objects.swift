/// What `range` and the methods of mappings give: walked and measured as a list, but printed in its own way and no list.
final class View {
  enum Kind {
    case range(start: Int, stop: Int, step: Int)
    case keys, values, pairs
  }

  let kind: Kind
  let items: [Value]
  let depth: Int

  init(_ kind: Kind, _ items: [Value]) throws {
    self.kind = kind
    self.items = items
    depth = try Value.depth(holding: items)
  }

  var isRange: Bool { if case .range = kind { true } else { false } }
}

/// `cycler(…)`: walks round its values.
final class Cycler {
  let items: [Value]
  let depth: Int
  var position = 0

  init(_ items: [Value]) throws {
    self.items = items
    depth = try Value.depth(holding: items)
  }
}

/// `joiner(separator)`: nothing when it is called first, the separator from then on.
final class Joiner {
  let separator: Value
  var isUsed = false

  init(_ separator: Value) { self.separator = separator }
}

/// The one kind of value with attributes that `set` may change.
final class Namespace {
  private(set) var attributes: [(name: String, value: Value)] = []

  func value(_ name: String) -> Value? { attributes.first { $0.name.isIdentical(to: name) }?.value }

  func set(_ name: String, _ value: Value) throws {
    guard !name.hasPrefix("_") else {
      throw TemplateFailure(.security, "a namespace's attribute may not start with an underscore: '\(name)'")
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
