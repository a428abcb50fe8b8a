import OrderedJSON

/// Why a rank ended, as it stands in `OUT/run/errors/rank-00007.json`.
package struct ErrorReport: Sendable, Equatable {
  /// What kind of end it was.
  package enum Cause: String, Sendable, CaseIterable {
    case error
    /// The rank made no progress for too long, or waited too long for others.
    case stall
    /// Gradients or losses were not finite too often.
    case nonFinite = "nonfinite"
    /// Ranks held different weights, or were at different steps.
    case disagree
    /// A fatal signal such as SIGSEGV.
    case signal

    init(_ code: ExitCode) {
      switch code {
      case .nonFinite: self = .nonFinite
      case .ranksDisagree: self = .disagree
      default: self = .error
      }
    }
  }

  package var rank: Int
  package var host: String
  /// The optimizer step that was under way; nil before the first.
  package var step: Int?
  /// What was being done: "reading data", "scoring", "backward", "checkpoint", …
  package var phase: String
  package var message: String
  package var exitCode: ExitCode
  package var cause: Cause
  /// Whether the rank failed only because another one did.
  package var isEcho: Bool
  /// Seconds since 1970.
  package var time: Double
  /// The bucket of the flat buffer it is about, in words.
  package var bucket: String?
  /// Rows of the data it is about.
  package var rows: [Int] = []
  /// Ranks that this one waited for in vain.
  package var missed: [Int] = []
  /// Of a signal: frames, the innermost first.
  package var backtrace: [String] = []

  package init(
    _ error: any Error, rank: Int, step: Int?, phase: String, isEcho: Bool = false, host: String = Machine.hostName,
    time: Double = Machine.now
  ) {
    let known = error as? TregError
    self.rank = rank
    self.host = host
    self.step = step
    self.phase = phase
    self.isEcho = isEcho
    self.time = time
    message = String(describing: error)
    exitCode = known?.exitCode ?? .bug
    cause = Cause(exitCode)
    rows = known?.rows ?? []
  }

  /// `rank 7 (node03) step 412 backward: what went wrong`
  package var line: String {
    let moment = step.map { "step \($0) \(phase)" } ?? phase
    return "rank \(rank) (\(host)) \(moment): \(message)"
  }

  package var json: JSONValue {
    var members: JSONObject = [
      "rank": .integer(rank), "host": .string(host), "step": step.map(JSONValue.integer) ?? .null,
      "phase": .string(phase), "message": .string(message), "exit_code": .integer(Int(exitCode.rawValue)),
      "cause": .string(cause.rawValue), "echo": .bool(isEcho), "time": .number(time),
      "time_utc": .string(Machine.timestamp(time)),
    ]
    if let bucket { members["bucket"] = .string(bucket) }
    if !rows.isEmpty { members["rows"] = .array(rows.map(JSONValue.integer)) }
    if !missed.isEmpty { members["missed"] = .array(missed.map(JSONValue.integer)) }
    if !backtrace.isEmpty { members["backtrace"] = .array(backtrace.map(JSONValue.string)) }
    return .object(members)
  }

  /// Writes the report; the folder is created when missing.
  package func write(in layout: RunLayout) throws {
    try FileSystem.createFolder(layout.errors)
    try AtomicFile.write(json.text(.indented(2)) + "\n", to: layout.error(rank: rank))
  }

  /// nil when the value is no report.
  package init?(_ value: JSONValue) {
    guard let rank = value["rank"]?.integer, let host = value["host"]?.string, let phase = value["phase"]?.string,
      let message = value["message"]?.string, let isEcho = value["echo"]?.bool, let time = value["time"]?.double,
      let code = value["exit_code"]?.integer.flatMap(Int32.init(exactly:)), let exitCode = ExitCode(rawValue: code)
    else { return nil }
    self.rank = rank
    self.host = host
    step = value["step"]?.integer
    self.phase = phase
    self.message = message
    self.exitCode = exitCode
    self.isEcho = isEcho
    self.time = time
    cause = value["cause"]?.string.flatMap(Cause.init) ?? Cause(exitCode)
    bucket = value["bucket"]?.string
    rows = value["rows"]?.array?.compactMap(\.integer) ?? []
    missed = value["missed"]?.array?.compactMap(\.integer) ?? []
    backtrace = value["backtrace"]?.array?.compactMap(\.string) ?? []
  }

  /// All reports of a run. Files that are no reports are passed over: a rank that dies while the disk is full may leave
  /// nothing better.
  package static func all(in layout: RunLayout) throws -> [ErrorReport] {
    guard FileSystem.kind(of: layout.errors) == .folder else { return [] }
    return try FileSystem.contents(ofFolder: layout.errors).filter { $0.hasSuffix(".json") }.compactMap { name in
      // One that vanishes meanwhile belonged to a run before.
      let bytes = try? FileSystem.readBytes(FileSystem.join(layout.errors, name), maximumCount: 1 << 20)
      return bytes.flatMap { try? JSONValue(parsing: $0) }.flatMap(ErrorReport.init)
    }
  }

  /// The first cause among the reports of a run: the earliest that is no echo, or else the earliest.
  package static func firstCause(in layout: RunLayout) throws -> ErrorReport? { firstCause(of: try all(in: layout)) }

  static func firstCause(of reports: [ErrorReport]) -> ErrorReport? {
    reports.min { ($0.isEcho ? 1 : 0, $0.time, $0.rank) < ($1.isEcho ? 1 : 0, $1.time, $1.rank) }
  }
}
