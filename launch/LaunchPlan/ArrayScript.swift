import RunFolder

/// A job array for Slurm that makes shards of token rewards, a task each, with no MPI between them.
package struct ArrayScript: Sendable, Equatable {
  package let text: String

  /// - Parameters:
  ///   - command: the worker's words without `--shard`.
  ///   - missing: shards to make, of `shards`.
  ///   - parallel: tasks at a time; nil: as many as Slurm gives.
  /// - Precondition: something is missing.
  /// - Throws: ``TregError`` 64 when an argument of sbatch cannot stand in a script.
  package init(
    command: [String], missing: [Int], of shards: Int, parallel: Int?, threads: Int, tries: Int, logs: String,
    batch: BatchOptions
  ) throws {
    var directives = Directives()
    try directives.add("--job-name=treg-rewards")
    try directives.add("--array=" + Self.indices(missing) + (parallel.map { "%\($0)" } ?? ""))
    try directives.add("--output=" + FileSystem.join(logs.replacing("%", with: "%%"), "slurm-%A_%a.log"))
    try directives.add("--ntasks=1")
    try directives.add("--cpus-per-task=\(threads)")
    try directives.add("--requeue")
    try directives.add(batch)
    let words = command.map { "  " + ShellWord.quoted($0) }.joined(separator: "\n")
    text = """
      #!/bin/bash
      \(directives.text)
      set -u

      command=(
      \(words)
      )
      tries=\(tries)
      for ((try = 1; ; try++)); do
        "${command[@]}" --shard "$SLURM_ARRAY_TASK_ID/\(shards)"
        code=$?
        # Done, or a mistake that another try would only repeat.
        case $code in \(FailureKind.finalCodes.map(String.init).joined(separator: "|"))) exit "$code" ;; esac
        if [ "$try" -ge "$tries" ]; then exit "$code"; fi
        sleep "$((1 << (try - 1)))"
      done

      """
  }

  /// `0-3,7`: as sbatch takes lists.
  package static func indices(_ numbers: [Int]) -> String {
    var parts: [String] = []
    var rest = numbers.sorted()[...]
    while let first = rest.popFirst() {
      var last = first
      while rest.first == last + 1 { last = rest.removeFirst() }
      parts.append(first == last ? "\(first)" : "\(first)-\(last)")
    }
    return parts.joined(separator: ",")
  }
}
