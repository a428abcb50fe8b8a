import RunFolder

/// One key with a value, as a file or the command line gives it.
struct Setting: Sendable {
  /// The name as it was written.
  let written: String
  let value: ConfigurationValue
  /// `dpo.yaml:5`, or nil for a flag, which names itself.
  let line: String?

  /// The name with `_` for `-`.
  var name: String { ConfigurationKey.canonical(written) }
  var key: ConfigurationKey? { ConfigurationKey.named(written) }
  var isFlag: Bool { line == nil }

  /// How messages name the setting.
  var place: String { line.map { "\($0): \(written)" } ?? "--\(written)" }

  func error(_ message: String) -> TregError { .configuration(at: place, message) }
}
