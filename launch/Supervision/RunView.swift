import Glibc
import LaunchPlan
import OrderedJSON
import Reporting
import RunFolder

/// A run as its folder tells it, for those who watch.
package struct RunView {
  private let layout: RunLayout
  private let status: RunStatus?
  private let record: LaunchRecord?
  /// The last lines of metrics: of training, and of an evaluation.
  private let metrics: (training: JSONValue?, evaluation: JSONValue?)

  /// - Throws: ``TregError`` 66 when there is no run in the folder, 65 when its status is damaged.
  package init(_ out: String) throws {
    layout = RunLayout(out)
    guard FileSystem.kind(of: layout.run) == .folder else {
      throw TregError.missing(at: out, "no run here: there is no folder run in it")
    }
    status = FileSystem.kind(of: layout.status) == nil ? nil : try RunStatus(readingFrom: layout.status)
    record = LaunchRecord(readingFrom: layout.launch)
    metrics = Self.lastMetrics(layout.metrics)
  }

  /// Names and findings, a line each.
  package func lines(now: Double = Machine.now) -> [(name: String, finding: String)] {
    var lines: [(name: String, finding: String)] = [("run", layout.root)]
    if let status {
      var text = status.state.rawValue
      if status.totalSteps > 0 {
        text += ", step \(status.step) of \(status.totalSteps) (\(100 * status.step / status.totalSteps) %)"
      }
      text += ", epoch \(NumberFormat.fixed(status.epoch, decimals: 2))"
      if let message = status.message { text += ": \(message)" }
      lines.append(("state", text))
      lines.append(
        (
          "heartbeat",
          "\(Self.age(now - status.updated)) ago, by process \(status.process) on \(status.host)\(liveness)"
        ))
    } else {
      lines.append(("state", "no status yet"))
    }
    if isUnderWay, let (youngest, oldest, rank) = signsOfLife(now) {
      lines.append(
        ("ranks alive", "last signs \(Self.age(youngest)) to \(Self.age(oldest)) ago, rank \(rank) the longest"))
    }
    if let record {
      let alive =
        switch (record.state, record.isAlive) {
        case (.ended, _): "ended with \(record.exitCode.map(String.init) ?? "?")"
        case (_, false?): "gone without an ending"
        case (.waiting, _): "waiting before a restart"
        case (.running, _): "running"
        }
      lines.append(
        (
          "launcher",
          "\(alive), process \(record.process) on \(record.host), start \(record.attempt), "
            + "up to \(record.maxRestarts) restarts without progress"
        ))
      lines.append(
        ("ranks", "\(record.ranks) × \(record.threads) threads on \(record.hosts.joined(separator: ", "))"))
      for ending in record.endings where ending.code != 0 {
        lines.append(
          (
            "start \(ending.attempt)",
            "ended \(Machine.timestamp(ending.time)) with \(ending.code)\(ending.cause.map { ": " + $0 } ?? "")"
          ))
      }
    }
    for (name, line) in [("metrics", metrics.training), ("evaluation", metrics.evaluation)] {
      if let line { lines.append((name, Self.words(line))) }
    }
    if let newest = try? layout.checkpoints().last { lines.append(("checkpoint", newest.path)) }
    if FileSystem.kind(of: layout.stop) != nil, isUnderWay { lines.append(("stop", "asked for; ends after the step")) }
    return lines
  }

  /// The same for programs.
  package var json: JSONValue {
    [
      "run": .string(layout.root), "status": status?.json ?? nil, "launch": record?.json ?? nil,
      "metrics": metrics.training ?? nil, "evaluation": metrics.evaluation ?? nil,
      "checkpoint": (try? layout.checkpoints())?.last.map { JSONValue.string($0.path) } ?? nil,
    ]
  }

  private var isUnderWay: Bool {
    switch status?.state {
    case nil, .done, .stopped, .failed: record.map { $0.state != .ended && $0.isAlive != false } ?? false
    default: true
    }
  }

  /// Seconds since the last sign of life of the rank that gave it last, and of the one that has been silent longest: the age
  /// of the files that ranks rewrite while they live.
  private func signsOfLife(_ now: Double) -> (youngest: Double, oldest: Double, rank: Int)? {
    let folder = FileSystem.join(layout.run, "ranks")
    let ages = ((try? FileSystem.contents(ofFolder: folder)) ?? []).compactMap { name -> (rank: Int, age: Double)? in
      guard name.hasPrefix("rank-"), let rank = Int(name.dropFirst("rank-".count)) else { return nil }
      var status = stat()
      guard stat(FileSystem.join(folder, name), &status) == 0 else { return nil }
      return (rank, now - Double(status.st_mtim.tv_sec))
    }
    guard let oldest = ages.max(by: { $0.age < $1.age }), let youngest = ages.min(by: { $0.age < $1.age }) else {
      return nil
    }
    return (youngest.age, oldest.age, oldest.rank)
  }

  private var liveness: String {
    guard let status, status.host == Machine.hostName, isUnderWay else { return "" }
    return Machine.isAlive(pid_t(status.process)) ? ", alive" : ", which is gone"
  }

  private static func age(_ seconds: Double) -> String { NumberFormat.duration(max(0, seconds.rounded())) }

  private static func words(_ line: JSONValue) -> String {
    let names = [
      "loss", "eval_loss", "rewards/accuracies", "eval_rewards/accuracies", "rewards/margins", "grad_norm",
      "learning_rate", "perf/tokens_per_second",
    ]
    return
      (["step \(line["step"]?.text() ?? "?")"]
      + names.compactMap { name in
        line[name]?.double.map { "\(name) \(NumberFormat.significant($0))" }
      }).joined(separator: "  ")
  }

  /// The ends of a file that may be long.
  private static func lastMetrics(_ path: String) -> (JSONValue?, JSONValue?) {
    guard let file = try? RandomAccessFile(path) else { return (nil, nil) }
    let count = min(file.size, 1 << 18)
    guard let bytes = try? file.bytes(at: file.size - count, count: count) else { return (nil, nil) }
    let values = bytes.split(separator: UInt8(ascii: "\n")).compactMap { try? JSONValue(parsing: Array($0)) }
    return (values.last { $0["eval_loss"] == nil }, values.last { $0["eval_loss"] != nil })
  }

  // MARK: Stopping

  /// Asks the run to end and tells what will happen.
  ///
  /// - Parameter now: ends it at once, by its launcher on this machine, in place of after the step.
  /// - Throws: ``TregError`` 69 when it cannot be reached from here; what writing the file throws.
  package func stop(now: Bool) throws -> String {
    guard isUnderWay else {
      return "no run is under way in \(layout.root) (\(status?.state.rawValue ?? "no status")); nothing to stop"
    }
    if now { return try stopNow() }
    try AtomicFile.write("", to: layout.stop)
    let step = status.map { $0.totalSteps > 0 ? "step \($0.step + 1) of \($0.totalSteps)" : "its start" } ?? "its start"
    return "asked: the run ends after \(step) with a checkpoint and code 0; the same command with --resume goes on"
  }

  private func stopNow() throws -> String {
    let (process, host) = record.map { ($0.process, $0.host) } ?? (status!.process, status!.host)
    guard host == Machine.hostName else {
      throw TregError(
        .unavailable, at: layout.root,
        "it runs on \(host); there: treg-launch stop --now \(ShellWord.quoted(layout.root))")
    }
    guard Machine.isAlive(pid_t(process)) else {
      throw TregError(
        .unavailable, at: layout.root, "process \(process) is gone; ranks that are left end by themselves")
    }
    // The first asks for a checkpoint, the second ends ranks wherever they are.
    kill(pid_t(process), SIGTERM)
    usleep(100_000)
    kill(pid_t(process), SIGTERM)
    let newest = (try? layout.checkpoints())?.last.map { FileSystem.name(of: $0.path) }
    return "ending process \(process) and its ranks now; --resume goes on from \(newest ?? "the start")"
  }
}
