import OrderedJSON

/// Why a rank ended, as it stands in `OUT/run/errors/rank-00007.json`.
package struct ErrorReport: Sendable, Equatable {
  package var rank: Int
  package var host: String
  /// The optimizer step that was under way; nil before the first.
  package var step: Int?
  /// What was being done: "reading data", "scoring", "backward", "checkpoint", …
  package var phase: String
  package var message: String
  package var exitCode: ExitCode
  /// Whether the rank failed only because another one did.
  package var isEcho: Bool
  /// Seconds since 1970.
  package var time: Double

  package init(
    _ error: any Error, rank: Int, step: Int?, phase: String, isEcho: Bool = false, host: String = Machine.hostName,
    time: Double = Machine.now
  ) {
    self.rank = rank
    self.host = host
    self.step = step
    self.phase = phase
    self.isEcho = isEcho
    self.time = time
    message = String(describing: error)
    exitCode = (error as? TregError)?.exitCode ?? .bug
  }

  /// `rank 7 (node03) step 412 backward: what went wrong`
  package var line: String {
    let moment = step.map { "step \($0) \(phase)" } ?? phase
    return "rank \(rank) (\(host)) \(moment): \(message)"
  }

  package var json: JSONValue {
    [
      "rank": .integer(rank), "host": .string(host), "step": step.map(JSONValue.integer) ?? .null,
      "phase": .string(phase), "message": .string(message), "exit_code": .integer(Int(exitCode.rawValue)),
      "echo": .bool(isEcho), "time": .number(time), "time_utc": .string(Machine.timestamp(time)),
    ]
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
  }

  /// The first cause among the reports of a run: the earliest that is no echo, or else the earliest.
  /// Files that are no reports are passed over: a rank that dies while the disk is full may leave nothing better.
  package static func firstCause(in layout: RunLayout) throws -> ErrorReport? {
    guard FileSystem.kind(of: layout.errors) == .folder else { return nil }
    let reports = try FileSystem.contents(ofFolder: layout.errors).filter { $0.hasSuffix(".json") }.compactMap { name in
      let bytes = try FileSystem.readBytes(FileSystem.join(layout.errors, name), maximumCount: 1 << 20)
      return (try? JSONValue(parsing: bytes)).flatMap(ErrorReport.init)
    }
    return reports.min { ($0.isEcho ? 1 : 0, $0.time, $0.rank) < ($1.isEcho ? 1 : 0, $1.time, $1.rank) }
  }
}
