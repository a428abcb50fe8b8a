import RunFolder

extension RunConfiguration {
  /// A configuration with what is worth saying about its making.
  package struct Parsed: Sendable {
    package let configuration: RunConfiguration
    /// Keys of TRL that have no meaning here, as they were written, and keys without effect, to be listed once.
    package let ignored: [String]
    /// Where each key that was given was given: `dpo.yaml:5: beta` or `--beta`.
    private let places: [String: String]

    fileprivate init(configuration: RunConfiguration, ignored: [String], places: [String: String]) {
      self.configuration = configuration
      self.ignored = ignored
      self.places = places
    }

    /// How a message about a key names its place; the key itself when its default holds.
    package func place(of key: String) -> String { places[key] ?? key }
  }

  /// The configuration of a file and flags; flags count over the file, the file over defaults.
  ///
  /// - Parameters:
  ///   - file: a YAML file, flat, or nil.
  ///   - flags: what is left of the command line, such as `["--learning-rate", "5e-7"]`.
  ///   - requiring: keys that have to be given.
  ///   - otherFlags: flags that the command takes itself, for the advice on misspelled ones.
  /// - Throws: ``TregError``: 64 for an unknown flag, a flag without value or a missing input without any file; 66
  ///   when the file is missing; 78 with file, line and key for all else.
  package static func parse(
    file: String?, flags: [String], requiring: [String] = ["model", "data", "out"], otherFlags: [String] = []
  ) throws -> Parsed {
    let fromFile = try file.map(YAMLSettings.read(file:)) ?? []
    let fromFlags = try FlagSettings.read(flags, otherFlags: otherFlags)
    var merge = ConfigurationMerge()
    try merge.apply(fromFile, over: [])
    try merge.apply(fromFlags, over: fromFile)
    try merge.resolve()
    try merge.require(requiring, file: file)
    try merge.checkTogether()
    return Parsed(
      configuration: merge.configuration, ignored: merge.ignored + merge.idle, places: merge.given.mapValues(\.place))
  }

  /// The configuration that ``yamlText`` of another run says, such as the one a checkpoint holds.
  ///
  /// - Throws: ``TregError`` 78 with `place` and line.
  package static func parse(yaml: String, place: String) throws -> RunConfiguration {
    var merge = ConfigurationMerge()
    try merge.apply(YAMLSettings.read(yaml, place: place), over: [])
    try merge.resolve()
    try merge.checkTogether()
    return merge.configuration
  }
}
