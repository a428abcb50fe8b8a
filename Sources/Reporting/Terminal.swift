import Glibc

/// What an output can show: whether it is a terminal, how wide, in which colours.
package struct Terminal: Sendable, Equatable {
  package enum Palette: Sendable, Equatable {
    case none
    /// The 6 × 6 × 6 cube of terminals with 256 colours.
    case cube
    /// 24 bits.
    case full
  }

  package let isTerminal: Bool
  /// Columns; 80 where nobody says.
  package let width: Int
  package let palette: Palette

  /// - Parameters:
  ///   - isTerminal: whether someone looks at it.
  ///   - width: columns, if known.
  ///   - environment: looks a variable up. A non-empty NO_COLOR (no-color.org) means no colour, whatever else; a
  ///     non-empty FORCE_COLOR other than 0 means colour even in a file or pipe.
  package init(isTerminal: Bool, width: Int?, environment: (String) -> String?) {
    self.isTerminal = isTerminal
    let columns = width ?? environment("COLUMNS").flatMap { Int($0) } ?? 80
    self.width = min(max(columns, 20), 1000)
    func isSet(_ name: String) -> Bool { environment(name).map { !$0.isEmpty } ?? false }
    let type = environment("TERM") ?? ""
    let isForced = isSet("FORCE_COLOR") && environment("FORCE_COLOR") != "0"
    if isSet("NO_COLOR") || !(isForced || (isTerminal && type != "dumb" && !type.isEmpty)) {
      palette = .none
    } else {
      palette = ["truecolor", "24bit"].contains(environment("COLORTERM")) ? .full : .cube
    }
  }

  package static var standardOutput: Terminal { Terminal(descriptor: STDOUT_FILENO) }
  package static var standardError: Terminal { Terminal(descriptor: STDERR_FILENO) }

  private init(descriptor: Int32) {
    let isTerminal = isatty(descriptor) == 1
    var size = winsize()
    let known = isTerminal && ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
    self.init(isTerminal: isTerminal, width: known ? Int(size.ws_col) : nil) { name in
      getenv(name).map { String(cString: $0) }
    }
  }
}
