/// Where everything of a run lies below its folder `OUT`.
package struct RunLayout: Sendable, Equatable {
  package let root: String

  package init(_ root: String) {
    self.root = root
  }

  /// `OUT/run`, which holds all that is about the run and not the model.
  package var run: String { FileSystem.join(root, "run") }
  package var configuration: String { FileSystem.join(run, "config.yaml") }
  /// Facts of the run that do not change: version, ranks, hosts, hashes.
  package var facts: String { FileSystem.join(run, "run.json") }
  package var status: String { FileSystem.join(run, "status.json") }
  package var metrics: String { FileSystem.join(run, "metrics.jsonl") }
  /// What each rank did when, for Chrome's and Perfetto's viewers; of runs with `profile`.
  package var trace: String { FileSystem.join(run, "trace.json") }
  /// The best checkpoint so far, of runs that compare them.
  package var best: String { FileSystem.join(run, "best.json") }
  /// What the launcher does.
  package var launch: String { FileSystem.join(run, "launch.json") }
  /// The batch script that the launcher submitted.
  package var batchScript: String { FileSystem.join(run, "job.sbatch") }
  package var lock: String { FileSystem.join(run, "lock") }
  /// A file that users create to end the run after the step, with a checkpoint.
  package var stop: String { FileSystem.join(run, "stop") }
  package var logs: String { FileSystem.join(run, "logs") }
  package var launchLog: String { FileSystem.join(logs, "launch.log") }
  package var errors: String { FileSystem.join(run, "errors") }
  /// A heartbeat of each rank while it lives.
  package var heartbeats: String { FileSystem.join(run, "ranks") }
  /// Steps that a guard left out, one line each.
  package var skipped: String { FileSystem.join(run, "skipped.jsonl") }
  package var rewards: String { FileSystem.join(root, "rewards") }

  /// Names of the empty files in ``run`` by which ranks find out who shares it begin so.
  package static let markPrefix = ".seen-"

  package func log(rank: Int) -> String { FileSystem.join(logs, "rank-\(FileNumber.text(rank)).log") }
  package func error(rank: Int) -> String { FileSystem.join(errors, "rank-\(FileNumber.text(rank)).json") }
  package func heartbeat(rank: Int) -> String { FileSystem.join(heartbeats, "rank-\(FileNumber.text(rank))") }
  package func checkpoint(step: Int) -> String { FileSystem.join(root, "checkpoint-\(step)") }

  /// `path` as seen from `root`, for short messages; the whole path when it lies elsewhere.
  package func relative(_ path: String) -> String {
    let prefix = FileSystem.join(root, "")
    return path.hasPrefix(prefix) ? String(path.dropFirst(prefix.count)) : path
  }

  /// The checkpoints that are whole, by rising step.
  package func checkpoints() throws -> [(step: Int, path: String)] {
    guard FileSystem.kind(of: root) == .folder else { return [] }
    return try FileSystem.contents(ofFolder: root).compactMap { name in
      guard let step = Self.step(ofCheckpoint: name) else { return nil }
      return (step, FileSystem.join(root, name))
    }.sorted { $0.step < $1.step }
  }

  /// 100 for `checkpoint-100`; nil for every other name.
  package static func step(ofCheckpoint name: String) -> Int? {
    let prefix = "checkpoint-"
    guard name.hasPrefix(prefix), let step = Int(name.dropFirst(prefix.count)), step >= 0 else { return nil }
    return name == prefix + String(step) ? step : nil
  }
}
