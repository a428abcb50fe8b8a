import RunFolder

/// What mpirun and srun say about ranks that ended, read for who was first and why.
///
/// Sources: messages of Open MPI 4.1, MPICH 4 (Hydra) and Slurm 22.05, as they print them.
package struct StarterMessages: Sendable {
  /// The first rank that a signal ended; by the number of its process where no rank was told.
  private var killed: (rank: Int?, process: Int?, host: String, reason: String)?
  /// A host that no longer answers.
  private var lostHost: String?
  /// A rank that ended with a code of its own.
  private var exited: String?
  /// Hydra tells process and host in one line, on one host the rank too, and the signal in another.
  private var hydra: (rank: Int?, process: Int?, host: String)?
  private var firstLine: String?

  package init() {}

  package mutating func take(_ line: String) {
    if firstLine == nil, line.contains(where: \.isLetter) { firstLine = line.trimmed }
    if let match = line.firstMatch(of: #/process rank (\d+) with PID \d+ on node (\S+) exited on signal (\d+)/#) {
      note(Int(match.1), nil, String(match.2), "killed by signal \(Self.words(match.3))")
    } else if let match = line.firstMatch(of: #/Remote daemon: .* on node (\S+)/#) {
      lostHost = lostHost ?? String(match.1)
    } else if let match = line.firstMatch(of: #/srun: error: Node failure on (\S+)/#) {
      lostHost = lostHost ?? String(match.1)
    } else if let match = line.firstMatch(of: #/srun: error: (\S+): tasks? (\d+)\S*: (.+)/#) {
      let reason = String(match.3)
      if reason.hasPrefix("Exited") {
        exited = exited ?? "rank \(match.2) (\(match.1)): \(reason.lowercased())"
      } else if !reason.hasPrefix("Terminated") {
        // By -K1, which ends the others.
        note(Int(match.2), nil, String(match.1), "killed (\(reason))")
      }
    } else if let match = line.firstMatch(of: #/(?:RANK (\d+) )?PID (\d+) RUNNING AT (\S+)/#) {
      hydra = hydra ?? (match.1.flatMap { Int($0) }, Int(match.2), String(match.3))
    } else if let match = line.firstMatch(of: #/(?:KILLED BY SIGNAL|EXIT CODE): (\d+)/#), let hydra, killed == nil {
      note(hydra.rank, hydra.process, hydra.host, "killed by signal \(Self.words(match.1))")
    }
  }

  private mutating func note(_ rank: Int?, _ process: Int?, _ host: String, _ reason: String) {
    killed = killed ?? (rank, process, host, reason)
  }

  /// Who was killed, or which host is lost; nil when nothing of the kind was said.
  ///
  /// - Parameter heartbeats: tell whose process it was.
  package func cause(among heartbeats: [Heartbeat]) -> String? {
    if let killed {
      let owner = heartbeats.first { $0.process == killed.process && $0.host == killed.host }
      let who = (killed.rank ?? owner?.rank).map { "rank \($0)" } ?? "process \(killed.process ?? 0)"
      return "\(who) (\(killed.host)): \(killed.reason)"
    }
    return lostHost.map { "host \($0): lost, its daemon no longer answers" }
  }

  /// What else was said; nil: nothing.
  package var remark: String? { exited ?? firstLine }

  private static func words(_ signal: some StringProtocol) -> String {
    let names = [
      "4": "illegal instruction", "6": "abort", "7": "bus error", "8": "arithmetic", "11": "segmentation fault",
    ]
    if signal == "9" { return "9 (by hand, or by the kernel when memory ran out)" }
    return names[String(signal)].map { "\(signal) (\($0))" } ?? String(signal)
  }
}

extension String {
  fileprivate var trimmed: String {
    String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
  }
}
