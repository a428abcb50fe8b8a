import RunFolder

/// Settings out of the command line: `--learning-rate 5e-7`, `--learning_rate=5e-7`, `--data a.jsonl b.jsonl`.
///
/// Of a flag that is given twice the last one counts, so that scripts can append to a command; lists grow instead.
enum FlagSettings {
  /// - Parameter otherFlags: flags that the command takes itself, for the advice on misspelled ones.
  /// - Throws: ``TregError`` 64 for an unknown flag, a missing value or a stray word.
  static func read(_ words: [String], otherFlags: [String]) throws -> [Setting] {
    var settings: [Setting] = []
    var rest = words[...]
    while let word = rest.popFirst() {
      guard word.hasPrefix("--"), word.count > 2 else {
        throw TregError.usage("unexpected argument \"\(word)\"; flags start with --")
      }
      let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let written = String(parts[0])
      var values = parts.count > 1 ? [String(parts[1])] : []
      let key = ConfigurationKey.named(written)
      let limit = key?.isList == true ? Int.max : 1
      while values.count < limit, let next = rest.first, !next.hasPrefix("--") {
        values.append(next)
        rest.removeFirst()
      }
      let setting = Setting(written: written, value: try value(of: values, written, key), line: nil)
      guard key != nil || KnownNames.isSpecial(setting.name, setting.value) else {
        throw unknown(written, otherFlags: otherFlags)
      }
      append(setting, to: &settings)
    }
    return settings
  }

  private static func value(of words: [String], _ written: String, _ key: ConfigurationKey?) throws
    -> ConfigurationValue
  {
    if words.isEmpty {
      // Foreign flags such as --bf16 stand alone, and so may ours that are true or false.
      guard key?.isSwitch != false else { throw TregError.usage("--\(written) needs a value: \(key!.expectation)") }
      return .text("true")
    }
    return words.count == 1 ? ConfigurationValue(plain: words[0]) : .list(words.map { ConfigurationValue(plain: $0) })
  }

  private static func append(_ setting: Setting, to settings: inout [Setting]) {
    let name = setting.key?.name ?? setting.name
    guard let index = settings.firstIndex(where: { ($0.key?.name ?? $0.name) == name }) else {
      settings.append(setting)
      return
    }
    guard setting.key?.isList == true else {
      settings[index] = setting
      return
    }
    let both = elements(settings[index].value) + elements(setting.value)
    settings[index] = Setting(written: setting.written, value: .list(both), line: nil)
  }

  private static func elements(_ value: ConfigurationValue) -> [ConfigurationValue] {
    switch value {
    case .list(let list): list
    case .null: []
    default: [value]
    }
  }

  private static func unknown(_ written: String, otherFlags: [String]) -> TregError {
    let name = ConfigurationKey.canonical(written)
    if let advice = OtherNames.advice(on: name) { return .usage("unknown flag --\(written); \(advice)") }
    let known = KnownNames.all + otherFlags.map { ConfigurationKey.canonical($0.drop { $0 == "-" }) }
    let nearest = NearestName.find(name, among: known)
    return .usage(
      "unknown flag --\(written)" + (nearest.map { "; did you mean --\($0.replacing("_", with: "-"))?" } ?? ""))
  }
}
