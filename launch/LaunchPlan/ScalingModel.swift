import OrderedJSON
import RunFolder

/// What `treg bench probe` measured on some layout of ranks.
package struct ScalingCalibration: Sendable {
  /// What the slowest of so many ranks has to do in a step; as `ScalingProbe.Load` tells it.
  package struct Load: Sendable {
    package let ranks, batch: Int
    package let slowest, mean, last, tokens: Double
  }

  package let ranks, threads, elements: Int
  /// Seconds per operation of the passes, per element of the optimizer's shard, of clearing, summing and gathering.
  package let pass, forwardShare, optimizer, clear, reduce, gather: Double
  package let loads: [Load]

  init(_ other: ScalingCalibration, passFactor: Double, sumFactor: Double) {
    (ranks, threads, elements) = (other.ranks, other.threads, other.elements)
    pass = other.pass * passFactor
    forwardShare = other.forwardShare
    (optimizer, clear) = (other.optimizer * passFactor, other.clear * passFactor)
    (reduce, gather) = (other.reduce * sumFactor, other.gather * sumFactor)
    loads = other.loads
  }

  /// - Throws: ``TregError`` 70 when the probe's words are no such figures.
  package init(_ json: JSONValue) throws {
    func number(_ value: JSONValue, _ key: String) throws -> Double {
      guard let number = value[key]?.double, number.isFinite, number >= 0 else {
        throw TregError(.bug, "the probe did not tell \(key)")
      }
      return number
    }
    ranks = Int(try number(json, "ranks"))
    threads = Int(try number(json, "threads"))
    elements = Int(try number(json, "elements"))
    pass = try number(json, "pass_seconds")
    forwardShare = try number(json, "forward_share")
    optimizer = try number(json, "optimizer_seconds")
    clear = try number(json, "clear_seconds")
    reduce = try number(json, "reduce_seconds")
    gather = try number(json, "gather_seconds")
    loads = try (json["loads"]?.array ?? []).map { load in
      Load(
        ranks: Int(try number(load, "ranks")), batch: Int(try number(load, "batch")),
        slowest: try number(load, "slowest"), mean: try number(load, "mean"), last: try number(load, "last"),
        tokens: try number(load, "tokens"))
    }
  }
}

/// Predicts the time of an optimizer step: what this machine's parts were measured to take, and α-β lines for the network.
///
/// With P ranks, of them r on each of n nodes, N elements that train, w bytes of one on the wire, α seconds of a message
/// and β seconds a byte of a node's link:
///
///     passes      c · operations of the slowest rank                            c measured, imbalance included
///     optimizer   o · N / P + z · N                                             o, z measured
///     sum         (n − 1) / n · N w β + α (1 + m / 16) + s · N                  m messages of a rank, 16 on their way at a time
///     gather      likewise with 4 bytes (2 for weights of two bytes)
///     exposed     sum's last bucket + max(0, the rest − ε · the last micro-batch's backward pass) + h N w
///                 + g · gather + max(0, (1 − g) · gather − ε · a forward pass) + h N · 4
///
/// ε is the share of a pass under which data travel, h what the processor spends on a byte that leaves meanwhile, g the
/// share of the gather that a forward pass waits for before it begins: the embedding, or all of it where weights have two bytes.
/// On one node s alone counts. Figures beyond this machine are simulated.
package struct ScalingModel: Sendable {
  package struct Prediction: Sendable, Equatable {
    package let nodes, ranks, batch: Int
    package let passSeconds, optimizerSeconds, sumSeconds, gatherSeconds, exposedSeconds, stepSeconds: Double
    package let tokensPerSecond: Double
    /// The share of a rank's time that goes into the average rank's passes.
    package let useful: Double
  }

  private let calibration: ScalingCalibration
  private let ranksPerNode: Int
  /// nil: one machine.
  private let network: (latency: Double, bandwidth: Double)?
  private let wireBytes, gatheredBytes, awaitedShare: Double

  /// Measured over a shaped link (Benchmarks/shaped_link.py): 95 % of a sum travelled under the pass, which stood still for
  /// 0.3 s of a free core while 540 MB left and as many came.
  package static let overlap = 0.9
  package static let handlingSeconds = 0.6e-9
  /// Elements of gradients that are summed at a time.
  private static let bucket = Double(1 << 22)
  /// Bytes of one message, and messages that are on their way at a time.
  private static let pieceBytes = Double(1 << 20)
  private static let window = 16.0

  /// - Parameters:
  ///   - calibration: of as many ranks on this machine as a node gets.
  ///   - wireBytes: of a gradient on its way; gatheredBytes: of a weight.
  ///   - awaitedShare: of the gather, that no pass hides; 1: nothing of it is hidden.
  package init(
    _ calibration: ScalingCalibration, ranksPerNode: Int, network: (latency: Double, bandwidth: Double)?,
    wireBytes: Double = 4, gatheredBytes: Double = 4, awaitedShare: Double = 1
  ) {
    self.calibration = calibration
    self.ranksPerNode = ranksPerNode
    self.network = network
    self.wireBytes = wireBytes
    self.gatheredBytes = gatheredBytes
    self.awaitedShare = awaitedShare
  }

  /// - Precondition: more than one node needs a network.
  package func predict(_ load: ScalingCalibration.Load) -> Prediction {
    let nodes = (load.ranks + ranksPerNode - 1) / ranksPerNode
    precondition(nodes == 1 || network != nil, "\(nodes) nodes without a network")
    let elements = Double(calibration.elements)
    let passes = load.slowest * calibration.pass
    let optimizer = calibration.optimizer * elements / Double(load.ranks) + calibration.clear * elements
    let sum = travel(elements * wireBytes, nodes) + (ranksPerNode > 1 ? calibration.reduce * elements : 0)
    let gather = travel(elements * gatheredBytes, nodes) + (ranksPerNode > 1 ? calibration.gather * elements : 0)
    let buckets = max(1, (elements / Self.bucket).rounded(.up))
    let forward = load.last * calibration.pass * calibration.forwardShare
    let backward = load.last * calibration.pass - forward
    // Ranks of one machine have both cores at work: nothing is hidden there.
    let hidden =
      nodes > 1
      ? min(sum * (1 - 1 / buckets), Self.overlap * backward) + min(gather * (1 - awaitedShare), Self.overlap * forward)
      : 0
    let handledBytes = elements * (wireBytes + (awaitedShare < 1 ? gatheredBytes : 0))
    let handled = nodes > 1 ? Self.handlingSeconds * handledBytes * Double(nodes - 1) / Double(nodes) : 0
    let exposed = load.ranks > 1 ? sum - hidden + handled + gather : 0
    let step = passes + optimizer + exposed
    return Prediction(
      nodes: nodes, ranks: load.ranks, batch: load.batch, passSeconds: passes, optimizerSeconds: optimizer,
      sumSeconds: sum, gatherSeconds: gather, exposedSeconds: exposed, stepSeconds: step,
      tokensPerSecond: load.tokens / step, useful: load.mean * calibration.pass / step)
  }

  /// Seconds in which every node's strips of all buckets go to their owners on other nodes, or come back.
  private func travel(_ bytes: Double, _ nodes: Int) -> Double {
    guard let network, nodes > 1 else { return 0 }
    let buckets = max(1, (Double(calibration.elements) / Self.bucket).rounded(.up))
    let strip = bytes / buckets / Double(nodes * ranksPerNode)
    let messages = Double(nodes - 1) * buckets * (strip / Self.pieceBytes).rounded(.up)
    return bytes * Double(nodes - 1) / Double(nodes) / network.bandwidth
      + network.latency * (1 + messages / Self.window)
  }
}
