import CProcess
import Dispatch
import Glibc
import LaunchPlan
import OrderedJSON
import Reporting
import RunFolder
import Subprocess

/// Makes a set of shards of token rewards by independent jobs, here or on hosts, without MPI.
package struct ShardJobs: Sendable {
  private let worker: String
  /// The worker's words: its command and flags, without a shard.
  private let words: [String]
  private let folder: String
  private let shards: Int
  private let threads: Int
  private let slots: [ShardQueue.Slot]
  private let limit: Int
  private let guardian: String?
  private let remote: RemoteCommand
  private let ssh: String?
  private let overwrites: Bool

  /// - Parameters:
  ///   - out: the folder of the set.
  ///   - slots: as many as jobs run at a time.
  ///   - limit: further tries of a shard that failed.
  package init(
    worker: String, words: [String], out: String, shards: Int, threads: Int, slots: [ShardQueue.Slot], limit: Int,
    guardian: String?, remote: RemoteCommand, ssh: String?
  ) {
    self.worker = worker
    self.words = words.filter { $0 != "--overwrite" }
    folder = out
    self.shards = shards
    self.threads = threads
    self.slots = slots
    self.limit = limit
    self.guardian = guardian
    self.remote = remote
    self.ssh = ssh
    overwrites = words.contains("--overwrite")
  }

  package var logs: String { FileSystem.join(folder, "logs") }

  /// The worker's words for one shard.
  package func command(_ shard: Int) -> [String] {
    [worker] + words + ["--threads", String(threads), "--shard", "\(shard)/\(shards)"]
  }

  /// What is started for a shard in a slot.
  package func command(_ shard: Int, in slot: ShardQueue.Slot) -> [String] {
    guard let host = slot.host else { return command(shard) }
    return remote.words(command(shard), on: host, ssh: ssh ?? "ssh")
  }

  /// Makes what is missing.
  ///
  /// - Returns: the code to end with.
  package func run(signals: ForwardedSignals) async throws -> Int32 {
    let before = try await survey(replacing: overwrites)
    let done = shards - before.count
    if done > 0 { Console.note("\(done) of \(shards) shards are finished already") }
    try FileSystem.createFolder(logs)
    var queue = ShardQueue(shards: before, slots: slots, limit: limit)
    var progress = Progress("shards", total: shards, from: done, isSpeaking: true)
    let running = RunningJobs()
    await withTaskGroup(of: (ShardQueue.Slot, Int32, String).self) { group in
      var asked = false
      func fill() {
        while let (shard, slot) = queue.next() {
          group.addTask { await self.make(shard, in: slot, running) }
        }
      }
      // Somebody who asks to stop is heard within a moment, not when the next shard is finished.
      group.addTask { await Self.pulse() }
      fill()
      progress.update(done, details: Self.details(queue), isLogged: false)
      while !queue.isOver, let (slot, code, line) = await group.next() {
        if slot.number < 0 {
          if signals.isAsked, !asked {
            asked = true
            queue.close()
            running.end()
          }
          if !queue.isOver { group.addTask { await Self.pulse() } }
          continue
        }
        let shard = queue.running[slot] ?? -1
        if queue.ended(slot, code: code, line: line) {
          Console.note("shard \(shard)/\(shards) ended with \(code)\(Self.remark(line)); it is tried again")
        }
        fill()
        progress.update(done + queue.finished.count, details: Self.details(queue))
      }
      group.cancelAll()
    }
    progress.finish()
    if signals.isAsked {
      Console.note(
        "stopped; the same command goes on with the \(shards - done - queue.finished.count) shards that are missing")
      return (signals.wasInterrupted ? ExitCode.interrupted : ExitCode.preempted).rawValue
    }
    if let failure = queue.failures.last {
      for other in queue.failures.dropLast() { say(other) }
      say(failure)
      return FailureKind.exitCode(failure.code, isStall: false)
    }
    let missing = try await survey()
    guard missing.isEmpty else {
      throw TregError(
        .unavailable, at: folder,
        "shards \(ArrayScript.indices(missing)) of \(shards) are not there\(slots.contains { $0.host != nil } ? "; do all hosts see this folder?" : "")"
      )
    }
    Console.note(
      "\(shards) shards\(queue.retries > 0 ? ", \(queue.retries) tries again" : ""); manifest.json closes the set")
    Console.print(folder)
    return 0
  }

  private func say(_ failure: ShardQueue.Failure) {
    Console.note(
      "treg-launch: shard \(failure.shard)/\(shards) ended with \(failure.code)\(Self.remark(failure.line)) → \(log(failure.shard))"
    )
  }

  private static func details(_ queue: ShardQueue) -> String {
    "\(queue.running.count) running" + (queue.retries > 0 ? ", \(queue.retries) again" : "")
  }

  private static func remark(_ line: String) -> String { line.isEmpty ? "" : ": \(line)" }

  /// Shards that are missing, as the worker finds: it knows what the finished ones must have been made from. When none is, it
  /// writes the manifest.
  ///
  /// - Throws: ``TregError`` with the worker's code when it cannot tell, having said why.
  package func survey(replacing: Bool = false) async throws -> [Int] {
    let command =
      words.filter { $0 != "--jsonl" } + ["--threads", String(threads), "--survey", String(shards)]
      + (replacing ? ["--overwrite"] : [])
    let result = try await Subprocess.run(
      .path(.init(worker)), arguments: Arguments(command), output: .string(limit: 1 << 24), error: .currentStandardError
    )
    guard case .exited(0) = result.terminationStatus,
      let value = try? JSONValue(parsing: result.standardOutput), let missing = value["missing"]?.array
    else {
      guard case .exited(let code) = result.terminationStatus, let known = ExitCode(rawValue: code), code != 0 else {
        throw TregError(.bug, at: worker, "does not tell which shards are finished")
      }
      throw TregError(known, at: folder, "the set cannot be looked at (see above)")
    }
    return missing.compactMap(\.integer)
  }

  private func log(_ shard: Int) -> String {
    FileSystem.join(logs, "shard-\(FileNumber.text(shard, of: shards)).log")
  }

  private static func pulse() async -> (ShardQueue.Slot, Int32, String) {
    try? await Task.sleep(for: .milliseconds(200))
    return (ShardQueue.Slot(host: nil, number: -1), 0, "")
  }

  /// One job, to its end. Its output goes to a log of the shard's.
  private func make(_ shard: Int, in slot: ShardQueue.Slot, _ running: RunningJobs) async -> (
    ShardQueue.Slot, Int32, String
  ) {
    let last = LastLine()
    do {
      let file = JobLog(log(shard))
      let take: @Sendable (String) -> Void = { line in
        last.take(line)
        file.append(line)
      }
      let (output, errors) = (try LinePipe(take), try LinePipe(take))
      // The worker ends when its input does: with the launcher, whichever way ssh notices.
      var ends: [Int32] = [0, 0]
      guard treg_pipe(&ends) == 0 else { throw FileSystem.error(errno, .writing, "a pipe") }
      defer { for end in ends { close(end) } }
      let code = try await Launcher.run(
        command(shard, in: slot), environment: [:], guardian: guardian, input: ends[0],
        output: .lines(output: output, errors: errors), started: { running.add($0, of: slot) },
        ended: { running.remove(slot) })
      for pipe in [output, errors] { pipe.finish(within: 2) }
      return (slot, code, last.text)
    } catch {
      return (slot, ExitCode.unavailable.rawValue, Console.line(of: error))
    }
  }
}
