/// Words of a command line as our parsers read them.
package enum FlagWords {
  /// Names of flags with dashes in place of underscores, `--dry_run` as `--dry-run`, since users of torchrun and TRL write both.
  /// Values, and what follows a bare `--`, stay as they are.
  package static func withDashes(_ words: [String]) -> [String] {
    let end = words.firstIndex(of: "--") ?? words.endIndex
    return words[..<end].map { word in
      guard word.hasPrefix("--") else { return word }
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      return ([parts[0].replacing("_", with: "-")] + parts.dropFirst().map(String.init)).joined(separator: "=")
    } + words[end...]
  }
}
