import Glibc
import OrderedJSON

/// A rank's sign of life in `OUT/run/ranks/rank-00007`: who it is, where, and what it was doing a moment ago.
///
/// The file has one size and is written over in place, never flushed: cheap on any file system, and possible on a full disk.
/// A rank takes it away when it ends well.
package struct Heartbeat: Sendable, Equatable {
  package var rank: Int
  package var host: String
  package var process: Int
  /// Tells this start of the run from others.
  package var run: String
  /// Rises with every writing.
  package var sequence: Int
  /// Seconds since 1970, by the rank's own clock.
  package var time: Double
  /// Seconds to the next writing.
  package var interval: Double
  package var moment: Pulse.Moment

  package init(
    rank: Int, host: String = Machine.hostName, run: String, sequence: Int, interval: Double,
    moment: Pulse.Moment = Pulse.moment, time: Double = Machine.now
  ) {
    self.rank = rank
    self.host = host
    process = Machine.processIdentifier
    self.run = run
    self.sequence = sequence
    self.time = time
    self.interval = interval
    self.moment = moment
  }

  private static let byteCount = 512

  /// - Returns: whether it could be written.
  @discardableResult
  package func write(to path: String) -> Bool {
    let value: JSONValue = [
      "rank": .integer(rank), "host": .string(host), "process": .integer(process), "run": .string(run),
      "sequence": .integer(sequence), "time": .number(time), "interval": .number(interval),
      "step": moment.step.map(JSONValue.integer) ?? .null, "phase": .string(moment.phase),
      "beats": .integer(Int(truncatingIfNeeded: moment.beats)), "waiting": .bool(moment.isWaiting),
      "file": .bool(moment.isAtFile), "flushing": .bool(moment.isFlushing),
      "peer": moment.peer.map(JSONValue.integer) ?? .null,
      "offset": moment.offset.map(JSONValue.integer) ?? .null,
    ]
    var bytes = Array(value.text().utf8)
    guard bytes.count < Self.byteCount else { return false }
    bytes += [UInt8](repeating: UInt8(ascii: " "), count: Self.byteCount - 1 - bytes.count) + [UInt8(ascii: "\n")]
    // Opened and closed each time: that is when network file systems show others what was written.
    let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { return false }
    let count = pwrite(descriptor, bytes, bytes.count, 0)
    return close(descriptor) == 0 && count == bytes.count
  }

  /// nil when there is none, or it is just being written. Reading is no progress of the rank that reads: no ``Pulse/beat()``.
  package init?(readingFrom path: String) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: Self.byteCount)
    guard pread(descriptor, &bytes, bytes.count, 0) == bytes.count, let value = try? JSONValue(parsing: bytes),
      let rank = value["rank"]?.integer, let host = value["host"]?.string, let process = value["process"]?.integer,
      let run = value["run"]?.string, let sequence = value["sequence"]?.integer, let time = value["time"]?.double,
      let interval = value["interval"]?.double, let phase = value["phase"]?.string,
      let beats = value["beats"]?.integer
    else { return nil }
    self.rank = rank
    self.host = host
    self.process = process
    self.run = run
    self.sequence = sequence
    self.time = time
    self.interval = interval
    moment = Pulse.Moment(
      beats: UInt64(truncatingIfNeeded: beats), step: value["step"]?.integer, phase: phase,
      isWaiting: value["waiting"]?.bool ?? false, isAtFile: value["file"]?.bool ?? false,
      isFlushing: value["flushing"]?.bool ?? false,
      peer: value["peer"]?.integer, offset: value["offset"]?.integer)
  }

  /// Those of all ranks that have not ended well.
  package static func all(in layout: RunLayout) -> [Heartbeat] {
    guard let names = try? FileSystem.contents(ofFolder: layout.heartbeats) else { return [] }
    return names.compactMap { Heartbeat(readingFrom: FileSystem.join(layout.heartbeats, $0)) }
  }
}
