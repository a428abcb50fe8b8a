import OrderedJSON
import RunFolder

/// What a rank left of its failure in `run/errors`, read with leniency: whatever wrote it, what can be understood counts.
package struct FailureReport: Sendable, Equatable {
  /// Tells a report from those of earlier starts, whose files may still be there.
  package struct Key: Sendable, Hashable {
    let file: String
    let time: Double
  }

  package let file: String
  package let rank: Int
  package let host: String
  package let step: Int?
  package let phase: String
  /// The part of the weights that it is about, in words.
  package let bucket: String?
  /// Ranks that this one waited for in vain.
  package let missed: [Int]
  package let message: String
  package let code: Int32
  /// "error", "stall", "nonfinite", "disagree" or "signal"; nil: not said.
  package let cause: String?
  /// Seconds since 1970.
  package let time: Double
  /// Whether the rank failed because another one did: it says so, or it lost its peers in MPI (69).
  package let isEcho: Bool

  package var key: Key { Key(file: file, time: time) }
  package var isStall: Bool { cause == "stall" || code == ExitCode.preempted.rawValue }

  /// `rank 7 (node03) step 412 backward, bucket 3: message`
  package var line: String {
    var moment = ([step.map { "step \($0)" }, phase.isEmpty ? nil : phase].compactMap { $0 }).joined(separator: " ")
    if let bucket { moment += ", \(bucket)" }
    return "rank \(rank) (\(host))\(moment.isEmpty ? "" : " " + moment): \(message)"
  }

  /// nil when the text is no report.
  package init?(_ value: JSONValue, file: String) {
    guard let rank = value["rank"]?.integer, let message = value["message"]?.string,
      let time = value["time"]?.double
    else { return nil }
    self.file = file
    self.rank = rank
    self.message = message
    self.time = time
    host = value["host"]?.string ?? "?"
    step = value["step"]?.integer
    phase = value["phase"]?.string ?? ""
    bucket = value["bucket"].flatMap { $0.string ?? $0.integer.map { "bucket \($0)" } }
    missed = value["missed"]?.array?.compactMap(\.integer) ?? []
    cause = value["cause"]?.string
    code = (value["code"] ?? value["exit_code"])?.integer.flatMap(Int32.init(exactly:)) ?? ExitCode.bug.rawValue
    isEcho = value["echo"]?.bool == true || code == ExitCode.unavailable.rawValue
  }

  /// All reports of a run, the earliest first. Files that are no reports are passed over: a rank that dies while the disk
  /// is full may leave nothing better.
  package static func all(in layout: RunLayout) -> [FailureReport] {
    guard let names = try? FileSystem.contents(ofFolder: layout.errors) else { return [] }
    return names.filter { $0.hasSuffix(".json") }.compactMap { name in
      let bytes = try? FileSystem.readBytes(FileSystem.join(layout.errors, name), maximumCount: 1 << 20)
      return bytes.flatMap { try? JSONValue(parsing: $0) }.flatMap { FailureReport($0, file: name) }
    }.sorted { ($0.time, $0.rank) < ($1.time, $1.rank) }
  }
}
