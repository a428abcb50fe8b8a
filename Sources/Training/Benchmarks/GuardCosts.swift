import Collectives
import Compute
import Glibc
import OrderedJSON
import Reporting
import RunFolder
import Watch

/// What guards and watchdog take of an optimizer step. Each part is timed alone and many times over: a whole step's noise is far
/// greater than all of them together.
///
/// Whether gradient and loss are finite is asked of two numbers that a step makes anyway, which is no time at all.
package struct GuardCosts: Sendable {
  /// Signs of life that this rank gives in a step, and what one takes where all threads give theirs at once.
  package let beatsPerStep: Double
  package let beatSeconds: Double
  /// Comparing the step and its rows.
  package let voteSeconds: Double
  /// Comparing all weights, and after how many steps that is done; nil: never.
  package let hashSeconds: Double
  package let hashInterval: Int?
  /// Writing one heartbeat, and the time from one to the next.
  package let heartbeatSeconds: Double
  package let heartbeatInterval: Double
  package let stepSeconds: Double

  /// Of a step's time.
  package var share: Double {
    let hashes = hashInterval.map { hashSeconds / Double($0) } ?? 0
    return (beatsPerStep * beatSeconds + voteSeconds + hashes) / max(stepSeconds, 1e-9)
      + heartbeatSeconds / heartbeatInterval
  }

  /// Collective: measures all parts on a trainer whose steps took `stepSeconds` and gave `beatsPerStep` signs of life.
  ///
  /// - Parameters:
  ///   - rows: of one batch.
  ///   - hashInterval: `check_weights_steps`; 0: never.
  init(
    _ trainer: Trainer, communicator: Communicator, rows: [Int], hashInterval: Int, beatsPerStep: Double,
    stepSeconds: Double
  ) throws {
    func seconds(_ times: Int, _ body: () throws -> Void) throws -> Double {
      try communicator.barrier()
      let stopwatch = Stopwatch()
      for _ in 0..<times { try body() }
      var each = stopwatch.seconds / Double(times)
      try communicator.maximum(&each)
      return each
    }
    let beats = 1 << 20
    let workers = trainer.model.workers
    beatSeconds =
      try seconds(1) { workers.run(workers.threads) { _, _ in for _ in 0..<beats { Pulse.beat() } } } / Double(beats)
    voteSeconds = try seconds(200) { _ = try StepVote.hold(nil, BatchIdentity(step: 1, rows: rows), communicator) }
    try trainer.checkWeights()
    hashSeconds = try seconds(3) { try trainer.checkWeights() }
    self.hashInterval = hashInterval > 0 ? hashInterval : nil
    let path = FileSystem.join(
      getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp", "treg-heartbeat-\(Machine.processIdentifier)")
    defer { unlink(path) }
    let heartbeat = Heartbeat(rank: communicator.rank, run: "bench", sequence: 0, interval: 2)
    heartbeatSeconds = try seconds(200) { heartbeat.write(to: path) }
    heartbeatInterval = StallLimits().interval
    self.beatsPerStep = beatsPerStep
    self.stepSeconds = stepSeconds
  }

  package var json: JSONValue {
    [
      "beats_per_step": .number(beatsPerStep), "beat_seconds": .number(beatSeconds),
      "vote_seconds": .number(voteSeconds), "hash_seconds": .number(hashSeconds),
      "check_weights_steps": .integer(hashInterval ?? 0), "heartbeat_seconds": .number(heartbeatSeconds),
      "heartbeat_interval": .number(heartbeatInterval), "step_seconds": .number(stepSeconds), "share": .number(share),
    ]
  }

  /// Rows of a table: what, how long.
  var lines: [[String]] {
    func microseconds(_ seconds: Double) -> String { NumberFormat.fixed(seconds * 1e6, decimals: 1) + " µs" }
    return [
      [
        "signs of life in a step",
        "\(NumberFormat.fixed(beatsPerStep, decimals: 0)) of \(NumberFormat.fixed(beatSeconds * 1e9, decimals: 1)) ns",
      ],
      ["the vote of a step", microseconds(voteSeconds)],
      [
        "comparing weights" + (hashInterval.map { ", every \($0) steps" } ?? ", never done"), microseconds(hashSeconds),
      ],
      ["a heartbeat, every \(NumberFormat.fixed(heartbeatInterval, decimals: 0)) s", microseconds(heartbeatSeconds)],
      ["all of it, of a step", NumberFormat.fixed(share * 100, decimals: 3) + " %"],
    ]
  }
}
