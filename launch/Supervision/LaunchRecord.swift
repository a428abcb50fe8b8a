import Glibc
import LaunchPlan
import OrderedJSON
import RunFolder

/// What the launcher of a run is doing, as `run/launch.json` tells those who watch it.
package struct LaunchRecord: Sendable, Equatable {
  package enum State: String, Sendable, CaseIterable { case running, waiting, ended }

  /// How one start ended.
  package struct Ending: Sendable, Equatable {
    package let attempt: Int
    package let time: Double
    package let code: Int32
    package let cause: String?

    package init(attempt: Int, time: Double, code: Int32, cause: String?) {
      self.attempt = attempt
      self.time = time
      self.code = code
      self.cause = cause
    }
  }

  package var state = State.running
  /// The launcher's process, and its host.
  package let process: Int
  package let host: String
  package let started: Double
  /// The start under way, or the last one, from 0.
  package var attempt = 0
  package var ranks: Int
  package var threads: Int
  package var hosts: [String]
  package var maxRestarts: Int
  package var command: [String]
  package var endings: [Ending] = []
  package var exitCode: Int32?

  package init(plan: LaunchPlan, hosts: [String], maxRestarts: Int) {
    process = Machine.processIdentifier
    host = Machine.hostName
    started = Machine.now
    ranks = plan.ranks
    threads = plan.threads
    command = plan.command
    self.hosts = hosts
    self.maxRestarts = maxRestarts
  }

  package var json: JSONValue {
    [
      "state": .string(state.rawValue), "process": .integer(process), "host": .string(host),
      "started": .number(started), "started_utc": .string(Machine.timestamp(started)), "attempt": .integer(attempt),
      "ranks": .integer(ranks), "threads": .integer(threads), "hosts": .array(hosts.map { .string($0) }),
      "max_restarts": .integer(maxRestarts), "command": .array(command.map { .string($0) }),
      "endings": .array(
        endings.map { ending in
          [
            "attempt": .integer(ending.attempt), "time": .number(ending.time),
            "time_utc": .string(Machine.timestamp(ending.time)), "code": .integer(Int(ending.code)),
            "cause": ending.cause.map { .string($0) } ?? nil,
          ]
        }), "exit_code": exitCode.map { .integer(Int($0)) } ?? nil,
    ]
  }

  /// nil when the file is missing or is no such record.
  package init?(readingFrom path: String) {
    guard let bytes = try? FileSystem.readBytes(path, maximumCount: 1 << 24),
      let value = try? JSONValue(parsing: bytes), let state = value["state"]?.string.flatMap(State.init),
      let process = value["process"]?.integer, let host = value["host"]?.string,
      let started = value["started"]?.double, let attempt = value["attempt"]?.integer,
      let ranks = value["ranks"]?.integer, let threads = value["threads"]?.integer,
      let maxRestarts = value["max_restarts"]?.integer
    else { return nil }
    self.state = state
    self.process = process
    self.host = host
    self.started = started
    self.attempt = attempt
    self.ranks = ranks
    self.threads = threads
    self.maxRestarts = maxRestarts
    hosts = value["hosts"]?.array?.compactMap(\.string) ?? []
    command = value["command"]?.array?.compactMap(\.string) ?? []
    endings = (value["endings"]?.array ?? []).compactMap { ending in
      guard let attempt = ending["attempt"]?.integer, let time = ending["time"]?.double,
        let code = ending["code"]?.integer.flatMap(Int32.init(exactly:))
      else { return nil }
      return Ending(attempt: attempt, time: time, code: code, cause: ending["cause"]?.string)
    }
    exitCode = value["exit_code"]?.integer.flatMap(Int32.init(exactly:))
  }

  /// Whether the launcher lives; nil: it is on another host.
  package var isAlive: Bool? {
    guard host == Machine.hostName else { return nil }
    return state != .ended && Machine.isAlive(pid_t(process))
  }

  /// Replaces the file as a whole. It is for those who watch: a full disk ends no run.
  package func write(to path: String) {
    _ = try? AtomicFile.write(json.text(.indented(2)) + "\n", to: path)
  }
}
