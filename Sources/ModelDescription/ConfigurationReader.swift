import OrderedJSON
import RunFolder

/// Reads typed, bounded values out of a `config.json`; every error names the file and the key.
struct ConfigurationReader {
  let object: JSONValue
  let place: String
  /// Name of the object inside the file, such as `rope_parameters.`; empty at the top.
  var prefix = ""
  /// Values of keys that are missing, as opposed to null.
  var standards: JSONObject = [:]
  /// What this file calls a key.
  var aliases: [String: String] = [:]

  func failure(_ key: String, _ message: String) -> TregError {
    .badData(at: place, "\(prefix)\(aliases[key] ?? key) \(message)")
  }

  /// The value of a key, or the standard one when it is missing; nil when there is none or it is null.
  func value(_ key: String) -> JSONValue? {
    let key = aliases[key] ?? key
    guard let value = object[key] ?? standards[key], !value.isNull else { return nil }
    return value
  }

  func optionalInteger(_ key: String, in range: ClosedRange<Int>) throws -> Int? {
    guard let value = value(key) else { return nil }
    guard let integer = value.integer else {
      throw failure(key, "must be a whole number, found \(Self.text(value))")
    }
    guard range.contains(integer) else {
      throw failure(key, "must lie in \(range.lowerBound)…\(range.upperBound), found \(integer)")
    }
    return integer
  }

  func integer(_ key: String, in range: ClosedRange<Int>) throws -> Int {
    guard let integer = try optionalInteger(key, in: range) else { throw failure(key, "is missing") }
    return integer
  }

  func optionalNumber(_ key: String) throws -> Double? {
    guard let value = value(key) else { return nil }
    guard let number = value.double, number.isFinite, number > 0 else {
      throw failure(key, "must be a positive number, found \(Self.text(value))")
    }
    return number
  }

  func number(_ key: String) throws -> Double {
    guard let number = try optionalNumber(key) else { throw failure(key, "is missing") }
    return number
  }

  func optionalString(_ key: String) throws -> String? {
    guard let value = value(key) else { return nil }
    guard let string = value.string else { throw failure(key, "must be a string, found \(value.kind)") }
    return string
  }

  func flag(_ key: String, default standard: Bool) throws -> Bool {
    guard let value = value(key) else { return standard }
    guard let flag = value.bool else { throw failure(key, "must be true or false, found \(Self.text(value))") }
    return flag
  }

  /// One token id or a list of them.
  func tokens(_ key: String) throws -> [Int] {
    guard let value = value(key) else { return [] }
    return try (value.array ?? [value]).map { element in
      guard let token = element.integer else {
        throw failure(key, "must be a token id or a list of them, found \(Self.text(element))")
      }
      return token
    }
  }

  /// The value as written, cut when it is long.
  static func text(_ value: JSONValue) -> String {
    let text = value.text()
    return text.count <= 40 ? text : String(text.prefix(40)) + "…"
  }
}
