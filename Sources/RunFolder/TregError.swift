/// The one error that reaches users: a line that says where, what is wrong and what was expected, and the
/// code the process ends with.
///
/// Rooms throw it directly, by the factories below. The message never ends in a full stop and never spans lines: what files
/// put into it, names of tensors for one, is stripped of control characters and cut when it is very long.
package struct TregError: Error, Sendable, Equatable, CustomStringConvertible {
  package let exitCode: ExitCode
  /// File, row, key or rank the message is about, as users would name it; nil when there is none.
  package let place: String?
  package let message: String
  /// Every rank throws this error at the same point, so that all can leave in order; otherwise the others are still
  /// waiting somewhere, and have to be ended.
  package let isOnAllRanks: Bool
  /// The one rank it is about, where all ranks throw what one of them met.
  package let culprit: Culprit?
  /// Rows of the data that it is about, as positions; a few at most.
  package let rows: [Int]

  /// A rank and the host it runs on.
  package struct Culprit: Sendable, Equatable {
    package let rank: Int
    package let host: String

    package init(rank: Int, host: String) {
      self.rank = rank
      self.host = host
    }
  }

  package init(
    _ exitCode: ExitCode, at place: String? = nil, _ message: String, isOnAllRanks: Bool = false,
    culprit: Culprit? = nil, rows: [Int] = []
  ) {
    self.exitCode = exitCode
    self.place = place
    self.message = Self.onOneLine(message)
    self.isOnAllRanks = isOnAllRanks
    self.culprit = culprit
    self.rows = rows
  }

  private static let longest = 4000

  private static func onOneLine(_ text: String) -> String {
    func breaks(_ scalar: Unicode.Scalar) -> Bool {
      scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || scalar.value == 0x2028 || scalar.value == 0x2029
    }
    guard text.utf8.count > longest || text.unicodeScalars.contains(where: breaks) else { return text }
    var line = String.UnicodeScalarView()
    for scalar in text.unicodeScalars.prefix(longest) { line.append(breaks(scalar) ? " " : scalar) }
    return String(line) + (text.unicodeScalars.count > longest ? "…" : "")
  }

  package var description: String {
    guard let place else { return message }
    return "\(place): \(message)"
  }
}

extension TregError {
  /// The command line cannot be understood (64).
  package static func usage(_ message: String) -> TregError { TregError(.usage, message) }

  /// A row, a weight file, a tokenizer or a template is not what it should be (65).
  package static func badData(at place: String?, _ message: String) -> TregError {
    TregError(.badData, at: place, message)
  }

  /// A file or folder that was named does not exist (66).
  package static func missing(at place: String?, _ message: String) -> TregError {
    TregError(.inputMissing, at: place, message)
  }

  /// Configuration is wrong: a key, a value, or two that exclude each other (78).
  package static func configuration(at place: String?, _ message: String) -> TregError {
    TregError(.configuration, at: place, message)
  }

  /// Reading or writing failed part-way (74).
  package static func inputOutput(at place: String?, _ message: String) -> TregError {
    TregError(.inputOutput, at: place, message)
  }

  /// The place to write to cannot be created (73).
  package static func cannotCreate(at place: String?, _ message: String) -> TregError {
    TregError(.cannotCreate, at: place, message)
  }
}
