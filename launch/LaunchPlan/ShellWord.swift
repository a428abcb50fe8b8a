/// Words as a POSIX shell reads them. Whatever a word holds, blanks, quotes, dollar signs, line feeds, the shell hands
/// on exactly that.
package enum ShellWord {
  /// The word itself where no shell could misread it, else in single quotes.
  package static func quoted(_ word: String) -> String {
    let isSafe =
      !word.isEmpty
      && word.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "-_./:=,+@%".utf8.contains(byte)
        }
      }
    return isSafe ? word : "'" + word.replacing("'", with: "'\\''") + "'"
  }

  /// A command line of some words.
  package static func line(_ words: [String]) -> String { words.map(quoted).joined(separator: " ") }
}
