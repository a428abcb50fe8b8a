import OrderedJSON

/// What a run is doing, as `OUT/run/status.json` tells those who watch it.
package struct RunStatus: Sendable, Equatable {
  package enum State: String, Sendable, CaseIterable {
    case starting, scoring, training, evaluating, saving, done, stopped, failed
  }

  package var state: State
  package var step: Int
  package var totalSteps: Int
  package var epoch: Double
  package var ranks: Int
  package var host: String
  package var process: Int
  /// When the process started and when this was written, in seconds since 1970.
  package var started: Double
  package var updated: Double
  /// What went wrong or what is awaited, in one line; nil when there is nothing to say.
  package var message: String?

  /// The status of this process at its start.
  package init(ranks: Int, totalSteps: Int = 0) {
    state = .starting
    step = 0
    self.totalSteps = totalSteps
    epoch = 0
    self.ranks = ranks
    host = Machine.hostName
    process = Machine.processIdentifier
    started = Machine.now
    updated = started
  }
}

extension RunStatus {
  package var json: JSONValue {
    [
      "state": .string(state.rawValue), "step": .integer(step), "total_steps": .integer(totalSteps),
      "epoch": .number(epoch), "ranks": .integer(ranks), "host": .string(host), "process": .integer(process),
      "started": .number(started), "updated": .number(updated),
      "updated_utc": .string(Machine.timestamp(updated)), "message": message.map(JSONValue.string) ?? .null,
    ]
  }

  /// Replaces the file as a whole, so that no reader meets half of it; ``updated`` becomes now.
  package mutating func write(to path: String) throws {
    updated = Machine.now
    try AtomicFile.write(json.text(.indented(2)) + "\n", to: path)
  }

  /// - Throws: ``TregError``: 66 when the file is missing, 65 when it is not a status.
  package init(readingFrom path: String) throws {
    let bytes = try FileSystem.readBytes(path, maximumCount: 1 << 20)
    let value: JSONValue
    do {
      value = try JSONValue(parsing: bytes)
    } catch let error as JSONError {
      throw TregError.badData(at: path, error.description)
    }
    guard let state = value["state"]?.string.flatMap(State.init), let step = value["step"]?.integer,
      let totalSteps = value["total_steps"]?.integer, let epoch = value["epoch"]?.double,
      let ranks = value["ranks"]?.integer, let host = value["host"]?.string,
      let process = value["process"]?.integer, let started = value["started"]?.double,
      let updated = value["updated"]?.double
    else { throw TregError.badData(at: path, "not the status of a run") }
    self.init(ranks: ranks, totalSteps: totalSteps)
    self.state = state
    self.step = step
    self.epoch = epoch
    self.host = host
    self.process = process
    self.started = started
    self.updated = updated
    message = value["message"]?.string
  }
}
