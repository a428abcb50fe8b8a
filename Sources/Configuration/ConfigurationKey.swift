/// One key of a run's configuration: how it is written, read, limited and explained.
struct ConfigurationKey: Sendable {
  /// Whether two runs that differ in a key can be one run, resumed.
  enum Relevance: Sendable {
    /// The key decides what the weights become.
    case trajectory
    /// It does so only by the number of steps, on which some schedules depend.
    case length
    /// It decides in which order numbers are summed, and so the last bits of weights: what reproducible runs promise.
    case rounding
    /// It names a file whose content is compared by hash, not by name.
    case content
    /// It decides what is reported, kept, or how fast it goes.
    case free
  }

  let name: String
  let aliases: [String]
  let expectation: String
  /// Whether a flag takes all words up to the next flag.
  let isList: Bool
  /// Whether a flag without a value says true.
  let isSwitch: Bool
  let relevance: Relevance
  /// What the key means, in one line.
  let help: String
  /// Whether the value fitted and was set.
  let set: @Sendable (inout RunConfiguration, ConfigurationValue) -> Bool
  let get: @Sendable (RunConfiguration) -> ConfigurationValue

  init<Value>(
    _ name: String, _ path: WritableKeyPath<RunConfiguration, Value> & Sendable, _ kind: ValueKind<Value>,
    aliases: [String] = [], _ relevance: Relevance, _ help: String
  ) {
    self.name = name
    self.aliases = aliases
    self.relevance = relevance
    self.help = help
    expectation = kind.expectation
    isList = kind.isList
    isSwitch = Value.self == Bool.self
    set = { configuration, value in
      guard let value = kind.read(value) else { return false }
      configuration[keyPath: path] = value
      return true
    }
    get = { kind.write($0[keyPath: path]) }
  }

  /// `-` and `_` are one.
  static func canonical(_ name: some StringProtocol) -> String {
    String(name).replacing("-", with: "_")
  }

  /// The key of a name or alias, canonical or not.
  static func named(_ name: some StringProtocol) -> ConfigurationKey? {
    let name = canonical(name)
    return all.first { $0.name == name || $0.aliases.contains(name) }
  }
}
