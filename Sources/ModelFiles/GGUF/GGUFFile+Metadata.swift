import RunFolder

extension GGUFFile {
  func failure(_ message: String) -> TregError { .badData(at: place, message) }

  private func wrongKind(_ key: String, _ expected: String) -> TregError {
    failure("metadata \(key) must be \(expected)")
  }

  func string(_ key: String) throws -> String? {
    switch metadata[key] {
    case nil: return nil
    case .string(let value): return value
    default: throw wrongKind(key, "a string")
    }
  }

  func integer(_ key: String) throws -> Int? {
    switch metadata[key] {
    case nil: return nil
    case .integer(let value): return value
    default: throw wrongKind(key, "a whole number")
    }
  }

  func number(_ key: String) throws -> Double? {
    switch metadata[key] {
    case nil: return nil
    case .number(let value): return value
    case .integer(let value): return Double(value)
    default: throw wrongKind(key, "a number")
    }
  }

  func bool(_ key: String) throws -> Bool? {
    switch metadata[key] {
    case nil: return nil
    case .bool(let value): return value
    default: throw wrongKind(key, "true or false")
    }
  }

  func strings(_ key: String) throws -> [String]? {
    switch metadata[key] {
    case nil: return nil
    case .strings(let value): return value
    default: throw wrongKind(key, "a list of strings")
    }
  }

  func integers(_ key: String) throws -> [Int]? {
    switch metadata[key] {
    case nil: return nil
    case .integers(let value): return value
    default: throw wrongKind(key, "a list of whole numbers")
    }
  }

  func required<Value>(_ value: Value?, _ key: String) throws -> Value {
    guard let value else { throw failure("metadata \(key) is missing") }
    return value
  }
}
