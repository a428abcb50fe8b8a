import RunFolder

/// A batch script for Slurm. It starts the launcher again, inside the job, and knows what Slurm does to jobs:
///
/// - Two minutes before the time is over, and before preemption where the cluster sends a signal, USR1 comes: ranks
///   finish the step, write a checkpoint and leave with 75, at which the script requeues itself. RequeueExit would do
///   that too, but is the administrator's to set.
/// - A job that is started again goes on from its newest checkpoint.
/// - `scancel` sends TERM, after which nothing is requeued.
///
/// Every word of the user's stands in quotes. Sources: sbatch(1), scontrol(1).
package struct BatchScript: Sendable, Equatable {
  package let text: String

  /// - Parameters:
  ///   - launcher: the path of treg-launch.
  ///   - out: the run's folder, where the job's own output goes.
  /// - Throws: ``TregError`` 64 when an argument of sbatch cannot stand in a script.
  package init(_ options: LaunchOptions, launcher: String, out: String) throws {
    var directives = Directives()
    try directives.add("--job-name=treg")
    try directives.add("--output=" + FileSystem.join(RunLayout(out).logs.replacing("%", with: "%%"), "slurm-%j.log"))
    try directives.add("--open-mode=append")
    try directives.add("--nodes=\(options.nodes ?? 1)")
    if let ranks = options.ranksPerNode { try directives.add("--ntasks-per-node=\(ranks)") }
    if let threads = options.threads { try directives.add("--cpus-per-task=\(threads)") }
    // The launcher divides the cores of whole nodes unless it is told how.
    if options.ranksPerNode == nil, options.threads == nil { try directives.add("--exclusive") }
    try directives.add("--requeue")
    try directives.add("--signal=B:USR1@120")
    try directives.add(options.batch)

    text = """
      #!/bin/bash
      \(directives.text)
      set -u

      launcher=(
      \(Self.list([launcher] + Self.flags(of: options)))
      )
      arguments=(
      \(Self.list(options.arguments))
      )
      # A job that starts again goes on with what it left.
      if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; then
        arguments=(
      \(Self.list(WorkerWords.resuming(options.arguments)))
        )
      fi

      signalled=no
      requeues=yes
      "${launcher[@]}" "${arguments[@]}" &
      child=$!
      trap 'signalled=yes; kill -USR1 "$child"' USR1
      trap 'signalled=yes; requeues=no; kill -TERM "$child"' TERM INT
      wait "$child"
      code=$?
      # A trapped signal ends the wait before the launcher ends.
      while [ "$signalled" = yes ]; do
        signalled=no
        wait "$child"
        status=$?
        if [ "$status" -ne 127 ]; then code=$status; fi
      done

      if [ "$code" -eq 75 ] && [ "$requeues" = yes ]; then
        scontrol requeue "$SLURM_JOB_ID"
      fi
      exit "$code"

      """
  }

  /// The launcher's flags that count inside the job.
  private static func flags(of options: LaunchOptions) -> [String] {
    var flags: [String] = []
    func add(_ name: String, _ value: (some CustomStringConvertible)?) {
      if let value { flags += [name, "\(value)"] }
    }
    add("--nproc-per-node", options.ranksPerNode)
    add("--threads", options.threads)
    add("--interface", options.interface)
    add("--min-ranks", options.minRanks)
    add("--max-restarts", options.maxRestarts)
    if options.mayOversubscribe { flags.append("--oversubscribe") }
    if !options.binds { flags.append("--no-bind") }
    if !options.checksHosts { flags.append("--no-host-checks") }
    return flags
  }

  /// A word a line.
  private static func list(_ words: [String]) -> String {
    words.map { "  " + ShellWord.quoted($0) }.joined(separator: "\n")
  }
}

/// The `#SBATCH` lines of a script. sbatch reads them itself, no shell does: blanks and quotes are taken as they are
/// behind a backslash, and a line ends where it ends.
struct Directives {
  private var lines: [String] = []

  var text: String { lines.map { "#SBATCH " + $0 }.joined(separator: "\n") }

  /// - Throws: ``TregError`` 64 for a word with a line feed.
  mutating func add(_ word: String) throws {
    let escaped = try Self.escaped(word)
    if word.hasPrefix("-") || lines.isEmpty { lines.append(escaped) } else { lines[lines.count - 1] += " " + escaped }
  }

  /// The user's own, last, since the last one counts.
  mutating func add(_ options: BatchOptions) throws {
    for (flag, value) in [
      ("--partition", options.partition), ("--account", options.account), ("--time", options.time),
    ] {
      if let value { try add("\(flag)=\(value)") }
    }
    for word in options.more { try add(word) }
  }

  private static func escaped(_ word: String) throws -> String {
    guard !word.contains(where: \.isNewline), !word.isEmpty else {
      throw TregError.usage("an argument of sbatch with a line break, or an empty one, cannot stand in a script")
    }
    return word.unicodeScalars.reduce(into: "") { text, scalar in
      if " \t\"'\\#".unicodeScalars.contains(scalar) { text += "\\" }
      text.unicodeScalars.append(scalar)
    }
  }
}
