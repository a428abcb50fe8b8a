/// Every name that a setting may have.
enum KnownNames {
  /// Names with rules of their own, beside the table's keys and foreign ones.
  static let batchParts = ["per_device_train_batch_size", "gradient_accumulation_steps"]
  static let margin = "simpo_gamma"

  /// Names worth suggesting.
  static var all: [String] { ConfigurationKey.all.flatMap { [$0.name] + $0.aliases } + [margin] }

  /// Whether a name that is no key of the table still is one that the reader of settings knows what to do with.
  static func isSpecial(_ name: String, _ value: ConfigurationValue) -> Bool {
    batchParts.contains(name) || name == margin || ForeignKeys.verdict(on: name, value) != nil
  }
}
