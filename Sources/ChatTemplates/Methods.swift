/// The methods that templates may call on values.
enum Methods {
  private static let ofText: Set<String> = [
    "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "startswith", "endswith", "replace", "upper", "lower",
    "title", "capitalize", "swapcase", "casefold", "join", "find", "rfind", "index", "rindex", "count", "isdigit",
    "isdecimal", "isnumeric", "isalpha", "isalnum", "isspace", "isupper", "islower", "removeprefix", "removesuffix",
    "partition", "rpartition", "zfill", "ljust", "rjust", "center", "format", "format_map", "expandtabs", "isascii",
    "isidentifier", "isprintable", "istitle",
  ]
  /// Methods of text whose arguments Python takes by name too.
  static let withNames: Set<String> = ["split", "rsplit", "splitlines", "expandtabs", "format"]
  private static let ofSequences: Set<String> = ["index", "count"]
  private static let ofLoops: Set<String> = ["cycle", "changed"]
  private static let ofCyclers: Set<String> = ["next", "reset"]
  private static let changingLists: Set<String> = [
    "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort",
  ]
  private static let changingMappings: Set<String> = ["clear", "pop", "popitem", "setdefault", "update"]

  static func exists(_ name: String, on value: Value) -> Bool {
    switch value {
    case .string: ofText.contains(name)
    case .mapping:
      // Attributes of messages are read often: comparing five words is quicker than hashing one.
      switch name {
      case "items", "keys", "values", "get", "copy": true
      default: false
      }
    case .list: name == "copy" || ofSequences.contains(name)
    case .tuple: ofSequences.contains(name)
    case .view(let view): view.isRange && ofSequences.contains(name)
    case .loop: ofLoops.contains(name)
    case .cycler: ofCyclers.contains(name)
    case .number: name == "is_integer"
    default: false
    }
  }

  /// Whether the name is a method that would change its receiver: the sandbox is immutable.
  static func isRefused(_ name: String, on value: Value) -> Bool {
    if name.hasPrefix("__"), name.hasSuffix("__") { return true }
    return switch value {
    case .list: changingLists.contains(name)
    case .mapping: changingMappings.contains(name)
    default: false
    }
  }
}

extension Interpreter {
  func callMethod(_ name: String, on receiver: Value, _ arguments: Arguments) throws -> Value {
    switch receiver {
    case .string(let text):
      try budget.step(1 + text.utf8.count / 16)
      return try callText(name, text, arguments)
    case .mapping(let mapping): return try callMapping(name, mapping, arguments)
    case .list where name == "copy":
      _ = try arguments.bind(name, [])
      return receiver
    case .list(let list), .tuple(let list): return try callSequence(name, list.items, arguments)
    case .view(let view): return try callSequence(name, view.items, arguments)
    case .number(let number):
      _ = try arguments.bind(name, [])
      return .bool(number.isFinite && number == number.rounded(.towardZero))
    case .cycler(let cycler):
      _ = try arguments.bind(name, [])
      guard name == "next" else {
        cycler.position = 0
        return .none
      }
      defer { cycler.position = (cycler.position + 1) % cycler.items.count }
      return cycler.items[cycler.position]
    case .loop(let loop): return try callLoop(name, loop, arguments)
    default: preconditionFailure("\(receiver.kind) has no methods")
    }
  }

  private func callMapping(_ name: String, _ mapping: Mapping, _ arguments: Arguments) throws -> Value {
    if name != "get", !arguments.isEmpty { throw TemplateFailure("\(name) takes no arguments") }
    switch name {
    case "get":
      guard (1...2).contains(arguments.positional.count), arguments.keywords.isEmpty else {
        throw TemplateFailure("get expects a key and perhaps a default")
      }
      let found = try mapping.value(of: arguments.positional[0])
      return found ?? (arguments.positional.count == 2 ? arguments.positional[1] : .none)
    case "items":
      try budget.elements(mapping.entries.count)
      return .view(try View(.pairs, mapping.entries.map { try .tuple([$0.key, $0.value]) }))
    case "keys": return .view(try View(.keys, mapping.entries.map(\.key)))
    case "values": return .view(try View(.values, mapping.entries.map(\.value)))
    default: return .mapping(mapping)
    }
  }

  private func callSequence(_ name: String, _ items: [Value], _ arguments: Arguments) throws -> Value {
    guard arguments.positional.count == 1, arguments.keywords.isEmpty else {
      throw TemplateFailure("\(name) expects one value")
    }
    var count = 0
    for (index, item) in items.enumerated() where try equals(item, arguments.positional[0]) {
      if name == "index" { return .integer(index) }
      count += 1
    }
    guard name == "count" else { throw TemplateFailure(.value, "the value that index looks for is not in the list") }
    return .integer(count)
  }

  private func callLoop(_ name: String, _ loop: LoopState, _ arguments: Arguments) throws -> Value {
    guard name == "cycle" else {
      let values = arguments.positional
      defer { loop.lastChanged = values }
      guard let last = loop.lastChanged, last.count == values.count else { return .bool(true) }
      for (a, b) in zip(last, values) where try !equals(a, b) { return .bool(true) }
      return .bool(false)
    }
    guard !arguments.positional.isEmpty else { throw TemplateFailure("loop.cycle expects values to choose from") }
    return arguments.positional[loop.index % arguments.positional.count]
  }
}
