import OrderedJSON

/// A dictionary in the order of insertion. Few keys are searched one by one, many through an index.
final class Mapping {
  typealias Entry = (key: Value, value: Value)

  let entries: [Entry]
  let depth: Int
  private let index: [Key: Int]?

  /// - Throws: ``TemplateFailure`` for a key that Python cannot hash. Of a repeated key the last value counts.
  init(_ members: [Entry]) throws {
    depth = try max(Value.depth(holding: members.lazy.map(\.value)), Value.depth(holding: members.lazy.map(\.key)))
    if members.count <= 8, members.allSatisfy({ $0.key.string != nil }) {
      var entries: [Entry] = []
      entries.reserveCapacity(members.count)
      for (key, value) in members {
        if let known = entries.firstIndex(where: { $0.key.string.unsafelyUnwrapped.isIdentical(to: key.string!) }) {
          entries[known].value = value
        } else {
          entries.append((key, value))
        }
      }
      (self.entries, index) = (entries, nil)
      return
    }
    var entries: [Entry] = []
    var index: [Key: Int] = [:]
    for (key, value) in members {
      let hashable = try Key(key)
      if let known = index[hashable] {
        entries[known].value = value
      } else {
        index[hashable] = entries.count
        entries.append((key, value))
      }
    }
    (self.entries, self.index) = (entries, index)
  }

  func value(_ name: String) -> Value? {
    if let index { return index[.string(ExactString(name))].map { entries[$0].value } }
    for entry in entries {
      if case .string(let key) = entry.key, key.isIdentical(to: name) { return entry.value }
    }
    return nil
  }

  func value(of key: Value) throws -> Value? {
    if case .string(let name) = key { return value(name) }
    let hashable = try Key(key)
    return index?[hashable].map { entries[$0].value }
  }

  /// A key under Python's equality: `1`, `1.0` and `True` are one key.
  enum Key: Hashable {
    case none
    case integer(Int)
    case number(Double)
    case string(ExactString)
    case tuple([Key])
    case range(start: Int, stop: Int, step: Int)
    case undefined
    case builtin(Builtin)
    case object(ObjectIdentifier)

    init(_ value: Value) throws {
      switch value {
      case .none: self = .none
      case .bool(let value): self = .integer(value ? 1 : 0)
      case .integer(let value): self = .integer(value)
      case .number(let value): self = Int(exactly: value).map(Key.integer) ?? .number(value)
      case .string(let value): self = .string(ExactString(value))
      case .tuple(let list): self = .tuple(try list.items.map(Key.init))
      case .undefined, .refused: self = .undefined
      case .builtin(let builtin): self = .builtin(builtin)
      case .macro(let object): self = .object(ObjectIdentifier(object))
      case .namespace(let object): self = .object(ObjectIdentifier(object))
      case .loop(let object): self = .object(ObjectIdentifier(object))
      case .iterator(let object): self = .object(ObjectIdentifier(object))
      case .cycler(let object): self = .object(ObjectIdentifier(object))
      case .joiner(let object): self = .object(ObjectIdentifier(object))
      case .method(let object): self = .object(ObjectIdentifier(object))
      case .view(let view):
        switch view.kind {
        case .range(let start, let stop, let step): self = .range(start: start, stop: stop, step: step)
        case .values: self = .object(ObjectIdentifier(view))
        case .keys, .pairs: throw TemplateFailure("\(value.kind) cannot be a key")
        }
      default: throw TemplateFailure("\(value.kind) cannot be a key")
      }
    }
  }
}

/// Text under equality of code points; Swift's own equality takes canonically equivalent texts as one.
struct ExactString: Hashable {
  let text: String

  init(_ text: String) { self.text = text }

  static func == (left: ExactString, right: ExactString) -> Bool { left.text.isIdentical(to: right.text) }

  func hash(into hasher: inout Hasher) {
    for byte in text.utf8 { hasher.combine(byte) }
    hasher.combine(0xFF as UInt8)
  }
}

extension String {
  /// Equality of code points.
  @inline(__always)
  func isIdentical(to other: String) -> Bool {
    utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
  }
}

extension Value {
  /// A document's value; objects keep their order.
  init(_ json: JSONValue) throws {
    switch json {
    case .null: self = .none
    case .bool(let value): self = .bool(value)
    case .integer(let value): self = .integer(value)
    case .number(let value): self = .number(value)
    case .string(let value): self = .string(value)
    case .array(let elements): self = .list(try ValueList(elements.map(Value.init)))
    case .object(let members):
      self = .mapping(try Mapping(members.map { (.string($0.key), try Value($0.value)) }))
    }
  }
}
