/// Words of a command line as our parsers read them.
package enum FlagWords {
  /// Names of flags with dashes in place of underscores, `--dry_run` as `--dry-run`, since users of torchrun and TRL write both.
  /// Values, and what follows a bare `--`, stay as they are.
  package static func withDashes(_ words: [String]) -> [String] {
    let end = words.firstIndex(of: "--") ?? words.endIndex
    return words[..<end].map(withDashes) + Array(words[end...])
  }

  private static func withDashes(_ word: String) -> String {
    guard word.hasPrefix("--") else { return word }
    let name = word.prefix { $0 != "=" }
    return String(name).replacing("_", with: "-") + word.dropFirst(name.count)
  }
}
