import Glibc

/// The functions that every template may call.
enum Builtin: String, Sendable {
  case range
  case dictionary = "dict"
  case namespace
  case raiseException = "raise_exception"
  case now = "strftime_now"
  case cycler, joiner
}

/// The local time at which a template was compiled.
struct Clock: Sendable {
  private let seconds: time_t

  init() { seconds = time(nil) }

  /// The time in C's `strftime` notation.
  func text(_ format: String) throws -> String {
    guard format.utf8.count <= 1_000 else { throw TemplateFailure(.bound, "the format of strftime_now is too long") }
    if format.isEmpty { return "" }
    var seconds = seconds
    var parts = tm()
    localtime_r(&seconds, &parts)
    var buffer = [CChar](repeating: 0, count: 16_384)
    let count = strftime(&buffer, buffer.count, format, &parts)
    return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

extension Interpreter {
  func call(_ builtin: Builtin, _ arguments: Arguments) throws -> Value {
    switch builtin {
    case .range: return try range(arguments)
    case .dictionary: return .mapping(try Mapping(try members(arguments)))
    case .namespace:
      let namespace = Namespace()
      for (key, value) in try members(arguments) {
        guard case .string(let name) = key else { throw TemplateFailure("a namespace's attribute must be a name") }
        try namespace.set(name, value)
      }
      remember(namespace)
      return .namespace(namespace)
    case .raiseException:
      let values = try arguments.bind("raise_exception", ["message"])
      throw TemplateFailure(.raised, try text(values[0] ?? .none))
    case .now:
      let values = try arguments.bind("strftime_now", ["format"])
      guard case .string(let format)? = values[0] else { throw TemplateFailure("strftime_now expects a format") }
      return .string(try clock.text(format))
    case .cycler:
      guard arguments.keywords.isEmpty else { throw TemplateFailure("cycler has no arguments with names") }
      guard !arguments.positional.isEmpty else { throw TemplateFailure(.runtime, "cycler expects values") }
      return .cycler(try Cycler(arguments.positional))
    case .joiner:
      return .joiner(Joiner(try arguments.bind("joiner", ["sep"])[0] ?? .string(", ")))
    }
  }

  /// Members as `dict(mapping or pairs, name=value, …)` names them.
  private func members(_ arguments: Arguments) throws -> [Mapping.Entry] {
    var members: [Mapping.Entry] = []
    guard arguments.positional.count <= 1 else { throw TemplateFailure("expected one positional argument at most") }
    switch arguments.positional.first {
    case nil: break
    case .mapping(let mapping)?: members = mapping.entries
    case .some(let value):
      if let absence = value.absence { throw absence }
      for item in try elements(of: value) {
        let pair = try elements(of: item)
        guard pair.count == 2 else { throw TemplateFailure(.value, "expected pairs of key and value") }
        members.append((pair[0], pair[1]))
      }
    }
    return members + arguments.keywords.map { (.string($0.name), $0.value) }
  }

  private func range(_ arguments: Arguments) throws -> Value {
    let bounds = try arguments.positional.map { value in
      guard let bound = value.integer else { throw TemplateFailure("range expects integers, found \(value.kind)") }
      return bound
    }
    guard (1...3).contains(bounds.count), arguments.keywords.isEmpty else {
      throw TemplateFailure("range expects one to three integers")
    }
    let start = bounds.count == 1 ? 0 : bounds[0]
    let stop = bounds.count == 1 ? bounds[0] : bounds[1]
    let step = bounds.count == 3 ? bounds[2] : 1
    guard step != 0 else { throw TemplateFailure(.value, "the step of a range may not be 0") }
    // The distance of two 64-bit integers may need 65 bits.
    let distance = step > 0 ? Double(stop) - Double(start) : Double(start) - Double(stop)
    guard distance / Double(step.magnitude) <= Double(Budget.maximumRange) else {
      throw TemplateFailure(.bound, "the range is longer than \(Budget.maximumRange)")
    }
    var items: [Value] = []
    var next = start
    while step > 0 ? next < stop : next > stop {
      items.append(.integer(next))
      let (sum, overflow) = next.addingReportingOverflow(step)
      if overflow { break }
      next = sum
    }
    try budget.elements(items.count)
    return .view(try View(.range(start: start, stop: stop, step: step), items))
  }
}
