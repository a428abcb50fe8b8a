/// What a template computes with: the values of Python that Jinja templates see.
///
/// Lists, tuples and mappings never change once made, as in the sandbox that `apply_chat_template` uses;
/// only namespaces do.
enum Value {
  /// Something that does not exist; the name says what, for messages.
  case undefined(String)
  /// What the sandbox hides: undefined until it is used, then an error of its own.
  case refused(String)
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
  case view(View)
  case cycler(Cycler)
  case joiner(Joiner)
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
    case .view(let view): view.depth
    case .cycler(let cycler): cycler.depth
    case .joiner(let joiner): joiner.separator.depth + 1
    default: 0
    }
  }

  /// The depth of a value that holds `items`.
  static func depth(holding items: some Sequence<Value>) throws -> Int {
    var depth = 0
    for item in items { depth = max(depth, item.depth) }
    guard depth < maximumDepth else {
      throw TemplateFailure(.bound, "values are nested more than \(maximumDepth) deep")
    }
    return depth + 1
  }

  /// Truth as Python has it.
  var isTrue: Bool {
    switch self {
    case .undefined, .refused, .none: false
    case .bool(let value): value
    case .integer(let value): value != 0
    case .number(let value): value != 0
    case .string(let value): !value.isEmpty
    case .list(let list), .tuple(let list): !list.items.isEmpty
    case .mapping(let mapping): !mapping.entries.isEmpty
    case .loop(let loop): !loop.items.isEmpty
    case .view(let view): !view.items.isEmpty
    case .namespace, .iterator, .macro, .method, .builtin, .cycler, .joiner: true
    }
  }

  var isUndefined: Bool {
    switch self {
    case .undefined, .refused: true
    default: false
    }
  }

  /// The error of using the value, when it is undefined.
  var absence: TemplateFailure? {
    switch self {
    case .undefined(let name): TemplateFailure(.undefined, "'\(name)' is undefined")
    case .refused(let name): TemplateFailure(.security, "the sandbox refuses '\(name)'")
    default: nil
    }
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
    case .undefined(let name), .refused(let name): "undefined '\(name)'"
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
    case .view(let view): view.isRange ? "a range" : "a view of a mapping"
    case .cycler: "a cycler"
    case .joiner: "a joiner"
    }
  }
}

final class ValueList {
  let items: [Value]
  let depth: Int
  /// Whether the tuple is one of `groupby`, whose parts have the names `grouper` and `list`.
  let isGroup: Bool

  init(_ items: [Value], isGroup: Bool = false) throws {
    self.items = items
    self.isGroup = isGroup
    depth = try Value.depth(holding: items)
  }
}

/// What filters such as `map` give: elements that are made when they are taken, and then are gone.
final class ValueIterator {
  /// Makes an element of one of the source; nil leaves it out.
  typealias Transform = (Value) throws -> Value?

  let depth: Int
  private var remaining: ArraySlice<Value>
  private let prepare: (() throws -> Transform)?
  private var isPrepared: Bool
  private var transform: Transform?

  init(_ items: [Value]) throws {
    remaining = items[...]
    depth = try Value.depth(holding: items)
    prepare = nil
    isPrepared = true
  }

  /// - Parameters:
  ///   - arguments: what `prepare` holds.
  ///   - prepare: called before the first element is made, and so never for an empty list.
  init(
    over source: Value, holding arguments: Arguments, _ interpreter: Interpreter,
    _ prepare: @escaping () throws -> Transform
  ) throws {
    let items = try interpreter.elements(of: source)
    try interpreter.budget.elements(items.count)
    // The filters look whether their source is true, and an iterator always is.
    if case .iterator = source { isPrepared = false } else { isPrepared = items.isEmpty }
    remaining = items[...]
    depth = try Value.depth(holding: items + arguments.positional + arguments.keywords.map(\.value))
    self.prepare = prepare
  }

  func takeAll() throws -> [Value] {
    var taken: [Value] = []
    taken.reserveCapacity(remaining.count)
    while let next = try takeFirst() { taken.append(next) }
    return taken
  }

  func takeFirst() throws -> Value? {
    guard let prepare else { return remaining.popFirst() }
    if !isPrepared {
      isPrepared = true
      transform = try prepare()
    }
    while let next = remaining.popFirst() {
      if let made = try transform!(next) { return made }
    }
    return nil
  }
}
