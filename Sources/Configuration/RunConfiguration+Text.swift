import OrderedJSON

extension RunConfiguration {
  /// All keys with their values as YAML, printed at the start of a run and saved with it. Reading it gives an equal
  /// configuration.
  package var yamlText: String {
    let blocks = ConfigurationKey.sections.map { section in
      section.keys.map { "\($0.name): \(Self.yaml(of: $0, in: self))\n" }.joined()
    }
    return blocks.joined(separator: "\n")
  }

  /// A key's value; of a switch `true` or `false`, which quotes would make a text.
  private static func yaml(of key: ConfigurationKey, in configuration: RunConfiguration) -> String {
    let value = key.get(configuration)
    if key.isSwitch, case .text(let text) = value { return text }
    return yaml(value)
  }

  static func yaml(_ value: ConfigurationValue) -> String {
    switch value {
    case .null: return "null"
    case .text(let text): return isPlain(text) ? text : quoted(text)
    case .list(let elements): return "[" + elements.map(yaml).joined(separator: ", ") + "]"
    case .mapping: preconditionFailure("no key has a mapping as its value")
    }
  }

  /// Whether every YAML reader takes the text for what it is without quotes.
  private static func isPlain(_ text: String) -> Bool {
    if NumberText.number(text) != nil { return true }
    let words = ["null", "none", "true", "false", "yes", "no", "on", "off", "y", "n"]
    guard !words.contains(text.lowercased()), let first = text.utf8.first else { return false }
    // Sizes, such as 5GB.
    if text.wholeMatch(of: /[1-9][0-9]*[KMGT]?B/) != nil { return true }
    let isLetter = { (byte: UInt8) in byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z") }
    guard isLetter(first) || first == UInt8(ascii: "/") || first == UInt8(ascii: "_") else { return false }
    return text.utf8.allSatisfy { byte in
      isLetter(byte) || (byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9"))
        || [0x2E, 0x2D, 0x5F, 0x2F].contains(byte)
    }
  }

  private static func quoted(_ text: String) -> String {
    var output = ""
    JSONValue.writeQuoted(text, to: &output)
    return output
  }

  /// Every key as a flag, with meaning and default, for `--help`.
  package static var keysHelp: String {
    let defaults = RunConfiguration()
    return ConfigurationKey.sections.map { section in
      section.title + "\n" + section.keys.map { line(of: $0, defaults) }.joined(separator: "\n") + "\n"
    }.joined(separator: "\n")
  }

  private static func line(of key: ConfigurationKey, _ defaults: RunConfiguration) -> String {
    let name = "  --" + key.name.replacing("_", with: "-")
    let value = yaml(of: key, in: defaults)
    let isRequired = ["model", "data", "out"].contains(key.name)
    let padding = String(repeating: " ", count: max(1, 26 - name.count))
    return name + padding + key.help + (isRequired ? "" : " [\(value)]")
  }
}
