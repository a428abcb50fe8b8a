extension Interpreter {
  /// `value.name`: a method or attribute first, then an item of that name.
  func attribute(_ name: String, of value: Value) throws -> Value {
    if Methods.exists(name, on: value) { return .method(Method(value, name)) }
    switch value {
    case .mapping(let mapping):
      if Methods.isRefused(name, on: value) { return .refused(name) }
      return mapping.value(name) ?? .undefined(name)
    case .namespace(let namespace): return namespace.value(name) ?? .undefined(name)
    case .loop(let loop): return try loop.attribute(name) ?? .undefined("loop.\(name)")
    case .undefined(let missing):
      if name.hasPrefix("__"), name.hasSuffix("__") { return .refused(name) }
      throw TemplateFailure(.undefined, "'\(missing)' is undefined, so it has no '\(name)'")
    case .refused: throw value.absence!
    case .tuple(let list) where list.isGroup && name == "grouper": return list.items[0]
    case .tuple(let list) where list.isGroup && name == "list": return list.items[1]
    case .cycler(let cycler) where name == "current": return cycler.items[cycler.position]
    case .macro(let macro) where name == "name": return .string(macro.definition.name)
    default:
      return Methods.isRefused(name, on: value) ? .refused(name) : .undefined(name)
    }
  }

  /// `value[index]`: an item first, then an attribute of that name.
  func item(_ index: Value, of value: Value) throws -> Value {
    switch value {
    case .undefined(let missing):
      throw TemplateFailure(.undefined, "'\(missing)' is undefined, so it has no items")
    case .refused: throw value.absence!
    case .mapping(let mapping):
      // What cannot be a key is not there.
      if let found = try? mapping.value(of: index) { return found }
    case .view(let view) where view.isRange:
      if let position = index.integer { return at(position, in: view.items) ?? .undefined("item \(position)") }
    case .list(let list), .tuple(let list):
      if let position = index.integer { return at(position, in: list.items) ?? .undefined("item \(position)") }
    case .string(let text):
      if let position = index.integer {
        let scalars = text.unicodeScalars
        try budget.step(text.utf8.count / 16)
        let offset = position < 0 ? position + scalars.count : position
        guard offset >= 0, let found = scalars.index(scalars.startIndex, offsetBy: offset, limitedBy: scalars.endIndex),
          found < scalars.endIndex
        else { return .undefined("item \(position)") }
        return .string(String(scalars[found]))
      }
    default: break
    }
    if case .string(let name) = index { return try attribute(name, of: value) }
    return .undefined("an item")
  }

  private func at(_ position: Int, in items: [Value]) -> Value? {
    let index = position < 0 ? position + items.count : position
    return items.indices.contains(index) ? items[index] : nil
  }

  /// `value[start:stop:step]` as Python cuts lists, tuples and text.
  func slice(_ value: Value, start: Value?, stop: Value?, step: Value?) throws -> Value {
    func bound(_ value: Value?) throws -> Int? {
      guard let value else { return nil }
      if case .none = value { return nil }
      guard let integer = value.integer else { throw TemplateFailure("a slice expects integers, found \(value.kind)") }
      return integer
    }
    let (start, stop, step) = (try bound(start), try bound(stop), try bound(step) ?? 1)
    guard step != 0 else { throw TemplateFailure(.value, "the step of a slice may not be 0") }
    var (firstPlace, endPlace) = (0, 0)
    func cut<Element>(_ items: [Element]) throws -> [Element] {
      try budget.step(items.count / 8)
      let count = items.count
      func clamp(_ position: Int?, _ fallback: Int) -> Int {
        guard let position else { return fallback }
        let index = position < 0 ? position + count : position
        return step > 0 ? min(max(index, 0), count) : min(max(index, -1), count - 1)
      }
      let first = clamp(start, step > 0 ? 0 : count - 1)
      let end = clamp(stop, step > 0 ? count : -1)
      (firstPlace, endPlace) = (first, end)
      if step == 1 { return first < end ? Array(items[first..<end]) : [] }
      // A step past the whole list takes one element; cutting it down keeps the sum within 64 bits.
      let stride = min(max(step, -count - 1), count + 1)
      return Swift.stride(from: first, to: end, by: stride).map { items[$0] }
    }
    switch value {
    case .list(let list): return try .list(try cut(list.items))
    case .tuple(let list): return try .tuple(try cut(list.items))
    case .string(let text):
      try budget.text(text.utf8.count)
      var result = ""
      result.unicodeScalars.append(contentsOf: try cut(Array(text.unicodeScalars)))
      return .string(result)
    case .view(let view):
      guard case .range(let origin, _, let stride) = view.kind else {
        throw TemplateFailure("\(value.kind) cannot be sliced")
      }
      let items = try cut(view.items)
      func place(_ index: Int) throws -> Int {
        let product = index.multipliedReportingOverflow(by: stride)
        let sum = origin.addingReportingOverflow(product.partialValue)
        guard !product.overflow, !sum.overflow else {
          throw TemplateFailure(.bound, "the bounds of a range do not fit 64 bits")
        }
        return sum.partialValue
      }
      let (newStep, overflow) = stride.multipliedReportingOverflow(by: step)
      guard !overflow else { throw TemplateFailure(.bound, "the step of a range does not fit 64 bits") }
      return .view(try View(.range(start: try place(firstPlace), stop: try place(endPlace), step: newStep), items))
    case .undefined, .refused: throw value.absence!
    default: throw TemplateFailure("\(value.kind) cannot be sliced")
    }
  }

  /// What walking a value gives: elements of lists, keys of mappings, characters of text.
  func elements(of value: Value) throws -> [Value] {
    switch value {
    case .list(let list), .tuple(let list): return list.items
    case .mapping(let mapping): return mapping.entries.map(\.key)
    case .string(let text):
      try budget.elements(text.unicodeScalars.count)
      return text.unicodeScalars.map { .string(String($0)) }
    case .iterator(let iterator): return try iterator.takeAll()
    case .loop(let loop): return loop.items
    case .view(let view): return view.items
    case .undefined, .refused: return []
    default: throw TemplateFailure("\(value.kind) cannot be walked")
    }
  }

  func length(of value: Value) throws -> Int {
    switch value {
    case .list(let list), .tuple(let list): return list.items.count
    case .mapping(let mapping): return mapping.entries.count
    case .string(let text):
      try budget.step(text.utf8.count / 16)
      return text.unicodeScalars.count
    case .loop(let loop): return loop.items.count
    case .view(let view): return view.items.count
    case .undefined, .refused: return 0
    default: throw TemplateFailure("\(value.kind) has no length")
    }
  }
}

extension LoopState {
  func attribute(_ name: String) throws -> Value? {
    switch name {
    case "index": return .integer(index + 1)
    case "index0": return .integer(index)
    case "first": return .bool(index == 0)
    case "last": return .bool(index == items.count - 1)
    case "length": return .integer(items.count)
    case "revindex": return .integer(items.count - index)
    case "revindex0": return .integer(items.count - index - 1)
    case "previtem": return index > 0 ? items[index - 1] : .undefined("loop.previtem")
    case "nextitem": return index + 1 < items.count ? items[index + 1] : .undefined("loop.nextitem")
    case "depth": return .integer(level)
    case "depth0": return .integer(level - 1)
    default: return nil
    }
  }
}
