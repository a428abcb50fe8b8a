/// How far a piece of work is, on standard error: a bar in a terminal, now and then a line elsewhere.
///
///     training  42/120 ███████▎            35 %  1:02 < 1:55  loss 0.6931
///
/// Only one rank speaks; on the others every call does nothing.
package struct Progress: ~Copyable {
  private let label: String
  private let total: Int
  private let terminal: Terminal
  private let isSpeaking: Bool
  private let send: (String) -> Void
  private let seconds: () -> Double
  private var origin: Int
  private var drawn = -1.0
  private var isDrawn = false

  /// - Parameters:
  ///   - total: units of work, above 0.
  ///   - origin: units that were done before, as after resuming; the remaining time counts from there.
  ///   - send, seconds: where text goes and what time it is; tests bring their own.
  package init(
    _ label: String, total: Int, from origin: Int = 0, isSpeaking: Bool, terminal: Terminal = .standardError,
    send: @escaping (String) -> Void = Console.sendNote, seconds: (() -> Double)? = nil
  ) {
    let stopwatch = Stopwatch()
    self.label = label
    self.total = total
    self.origin = origin
    self.isSpeaking = isSpeaking
    self.terminal = terminal
    self.send = send
    self.seconds = seconds ?? { stopwatch.seconds }
  }

  /// - Parameters:
  ///   - completed: units done so far, those of `origin` included.
  ///   - details: what else there is to say, such as the loss.
  ///   - isLogged: whether this update deserves a line where there is no terminal.
  package mutating func update(_ completed: Int, details: String = "", isLogged: Bool = true) {
    guard isSpeaking else { return }
    let now = seconds()
    let times = "\(Self.clock(now)) < \(remaining(completed, now))"
    guard terminal.isTerminal else {
      if isLogged { send(Self.joined(["\(label) \(completed)/\(total)", times, details]) + "\n") }
      return
    }
    // Ten times a second is all that eyes follow.
    guard now - drawn >= 0.1 || completed >= total || drawn < 0 else { return }
    drawn = now
    isDrawn = true
    let percent = total > 0 ? completed * 100 / total : 100
    let head = "\(label) \(completed)/\(total)"
    let tail = Self.joined(["\(percent) %", times, details])
    let room = min(30, terminal.width - head.count - tail.count - 4)
    let line = room >= 5 ? Self.joined([head + " " + bar(completed, cells: room), tail]) : Self.joined([head, tail])
    // Carriage return, the line, then erase what an earlier, longer one left (ECMA-48, EL).
    send("\r" + line.prefix(terminal.width - 1) + "\u{1B}[K")
  }

  /// So many units turn out to have been done before.
  package mutating func start(at origin: Int) { self.origin = origin }

  /// Ends the bar's line, so that what follows starts on its own.
  package mutating func finish() {
    if isDrawn { send("\n") }
    isDrawn = false
  }

  private func bar(_ completed: Int, cells: Int) -> String {
    let eighths = total > 0 ? min(cells * 8, max(0, completed * cells * 8 / total)) : cells * 8
    let partial = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]
    let filled = String(repeating: "█", count: eighths / 8) + partial
    return filled + String(repeating: " ", count: cells - filled.count)
  }

  private func remaining(_ completed: Int, _ now: Double) -> String {
    let done = completed - origin
    guard done > 0 else { return "?" }
    return Self.clock(now / Double(done) * Double(max(0, total - completed)))
  }

  private static func clock(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e9 else { return "?" }
    let whole = Int(seconds.rounded())
    return whole < 60 ? "0:\(whole < 10 ? "0" : "")\(whole)" : NumberFormat.duration(Double(whole))
  }

  private static func joined(_ parts: [String]) -> String {
    parts.filter { !$0.isEmpty }.joined(separator: "  ")
  }
}
