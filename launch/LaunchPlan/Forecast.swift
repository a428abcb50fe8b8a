import Configuration
import ModelDescription
import OrderedJSON
import Reporting
import RunFolder
import Subprocess

/// What a training run will take on a cluster: measured on this machine for a minute, predicted for the rest.
package struct Forecast: Sendable {
  /// How the cores of a node are divided.
  package struct Layout: Sendable, Hashable {
    package let ranksPerNode, threads: Int
    /// The ranks and threads that stand for it on this machine.
    package let localRanks, localThreads: Int

    package init(ranksPerNode: Int, threads: Int, localRanks: Int, localThreads: Int) {
      self.ranksPerNode = ranksPerNode
      self.threads = threads
      self.localRanks = localRanks
      self.localThreads = localThreads
    }
  }

  /// One layout on some number of nodes.
  package struct Line: Sendable {
    package let layout: Layout
    package let prediction: ScalingModel.Prediction
    /// The same with gradients of two bytes on the wire.
    package let narrowStepSeconds: Double
    package let memory: MemoryFormula
    /// The same with activations made again.
    package let recomputedMemory: Int
    package let isMeasuredHere: Bool
  }

  /// Tokens of a micro-batch that keep one thread busy.
  private static let panelTokens = 256

  package let cluster: ClusterDescription
  package let lines: [Line]
  private let calibrations: [Layout: ScalingCalibration]

  /// Layouts worth a look: what the user fixed, or one rank per NUMA node, and one per core. One that has more threads
  /// than a node has cores is measured as it is where this machine has as many cores.
  package static func layouts(_ options: LaunchOptions, cores: Int, here topology: Topology) -> [Layout] {
    let local = topology.usableCores
    func layout(_ ranks: Int, _ threads: Int) -> Layout {
      if options.mayOversubscribe, cores <= local {
        return Layout(ranksPerNode: ranks, threads: threads, localRanks: ranks, localThreads: threads)
      }
      let localRanks = min(ranks, local)
      return Layout(
        ranksPerNode: ranks, threads: threads, localRanks: localRanks,
        localThreads: max(1, min(threads, local / localRanks)))
    }
    if let ranks = options.ranksPerNode {
      return [layout(ranks, options.threads ?? max(1, cores / ranks))]
    }
    if let threads = options.threads { return [layout(max(1, cores / threads), threads)] }
    let sparse = min(topology.nodeCount, cores)
    return sparse == cores ? [layout(cores, 1)] : [layout(sparse, max(1, cores / sparse)), layout(cores, 1)]
  }

  /// 1, 2, 4 … and the number itself.
  package static func nodeCounts(_ nodes: Int) -> [Int] {
    var counts = Array(sequence(first: 1) { $0 * 2 }.prefix { $0 < nodes })
    counts.append(nodes)
    return counts
  }

  /// Measures every layout on this machine.
  ///
  /// - Throws: ``TregError``: 64 for a command other than `train`; what starting the probe throws.
  package init(
    _ options: LaunchOptions, cluster: ClusterDescription, on topology: Topology, worker: String,
    starter: (path: String, LaunchPlan.Flavour)?
  ) async throws {
    guard options.arguments.first == "train" else {
      throw TregError.usage("plan --cluster predicts treg train, and nothing else")
    }
    var calibrations: [Layout: ScalingCalibration] = [:]
    for layout in Self.layouts(options, cores: cluster.cores, here: topology) {
      let counts = Self.nodeCounts(cluster.nodes).map { $0 * layout.ranksPerNode }
      Console.note(
        "measuring \(layout.localRanks) rank\(layout.localRanks == 1 ? "" : "s") × \(layout.localThreads) here")
      calibrations[layout] = try await Self.probe(
        options, layout, rankCounts: counts, on: topology, worker: worker, starter: starter)
    }
    try self.init(options, cluster: cluster, calibrations: calibrations)
  }

  init(_ options: LaunchOptions, cluster: ClusterDescription, calibrations: [Layout: ScalingCalibration]) throws {
    self.cluster = cluster
    self.calibrations = calibrations
    var lines: [Line] = []
    for (layout, calibration) in calibrations.sorted(by: { $0.key.ranksPerNode < $1.key.ranksPerNode }) {
      let scaled = calibration.scaled(to: layout)
      for nodes in Self.nodeCounts(cluster.nodes) {
        let ranks = nodes * layout.ranksPerNode
        guard
          // As many pairs a rank as one node has with the configured batch: the load with the most of them.
          let load = calibration.loads.filter({ $0.ranks == ranks }).max(by: { $0.batch < $1.batch }),
          let memory = try MemoryCheck(
            options, ranks: ranks, ranksPerNode: layout.ranksPerNode, threads: layout.threads),
          let recomputed = try MemoryCheck(
            options, ranks: ranks, ranksPerNode: layout.ranksPerNode, threads: layout.threads, recomputes: true)
        else { continue }
        func predict(_ wireBytes: Double) -> ScalingModel.Prediction {
          ScalingModel(
            scaled, ranksPerNode: layout.ranksPerNode, network: (cluster.latency, cluster.bandwidth),
            wireBytes: wireBytes, gatheredBytes: memory.gather.bytes, awaitedShare: memory.gather.awaitedShare
          ).predict(load)
        }
        let wide = predict(4)
        lines.append(
          Line(
            layout: layout, prediction: wide, narrowStepSeconds: predict(2).stepSeconds, memory: memory.formula,
            recomputedMemory: recomputed.formula.totalBytes,
            isMeasuredHere: nodes == 1 && layout.localRanks == layout.ranksPerNode
              && layout.localThreads == layout.threads))
      }
    }
    self.lines = lines
  }

  private static func probe(
    _ options: LaunchOptions, _ layout: Layout, rankCounts: [Int], on topology: Topology, worker: String,
    starter: (path: String, LaunchPlan.Flavour)?
  ) async throws -> ScalingCalibration {
    var own = options
    (own.ranksPerNode, own.threads) = (layout.localRanks, layout.localThreads)
    (own.nodes, own.hostfile) = (nil, nil)
    own.isDebug = layout.localRanks == 1
    let words = WorkerWords(options.arguments.dropFirst())
    own.arguments =
      ["bench", "probe", "--rank-counts", rankCounts.map(String.init).joined(separator: ",")]
      + (words.file.map { ["--config", $0] } ?? []) + words.flags
    let plan = try LaunchPlan(own, on: topology, worker: worker, starter: starter)
    let (code, text) = try await Launcher.output(of: plan)
    guard code == 0 else {
      throw TregError(ExitCode(rawValue: code) ?? .bug, "the measurement failed: \(plan.commandLine)")
    }
    let line = text.split(separator: "\n").last { $0.hasPrefix("{") }
    guard let line else { throw TregError(.bug, "the measurement told nothing: \(plan.commandLine)") }
    return try ScalingCalibration(JSONValue(parsing: Array(line.utf8)))
  }

  // MARK: For people

  /// The table, what it rests on, and advice.
  package func text(availableBytes: Int?) -> String {
    let room = cluster.memory ?? availableBytes
    var table = Table([
      ("nodes", .right), ("ranks × threads", .right), ("batch", .right), ("memory", .right), ("step", .right),
      ("passes", .right), ("exposed", .right), ("tokens/s", .right), ("efficiency", .right), ("", .left),
    ])
    for line in lines {
      let prediction = line.prediction
      let base = lines.first { $0.layout == line.layout }!.prediction
      let efficiency =
        prediction.tokensPerSecond / Double(prediction.nodes) / (base.tokensPerSecond / Double(base.nodes))
      let needed = line.memory.totalBytes * min(line.layout.ranksPerNode, prediction.ranks)
      table.append([
        NumberFormat.count(prediction.nodes), "\(NumberFormat.count(prediction.ranks)) × \(line.layout.threads)",
        NumberFormat.count(prediction.batch),
        MemoryFormula.readable(line.memory.totalBytes) + (room.map { needed > $0 } ?? false ? "!" : ""),
        NumberFormat.significant(prediction.stepSeconds, digits: 3) + " s",
        NumberFormat.fixed(100 * prediction.useful, decimals: 1) + " %",
        NumberFormat.fixed(100 * prediction.exposedSeconds / prediction.stepSeconds, decimals: 1) + " %",
        NumberFormat.count(Int(prediction.tokensPerSecond.rounded())),
        NumberFormat.fixed(100 * efficiency, decimals: 1) + " %",
        line.isMeasuredHere ? "parts measured here" : "simulated",
      ])
    }
    let rests = calibrations.sorted { $0.key.ranksPerNode < $1.key.ranksPerNode }.map { layout, calibration in
      "  \(calibration.ranks) × \(calibration.threads) here: "
        + "\(NumberFormat.fixed(1e-9 / calibration.pass, decimals: 1)) GFLOP/s a rank in passes, "
        + "optimizer \(NumberFormat.significant(calibration.optimizer * 1e9, digits: 3)) ns an element, "
        + "sum \(NumberFormat.significant(calibration.reduce * 1e9, digits: 3)) and gathering "
        + "\(NumberFormat.significant(calibration.gather * 1e9, digits: 3)) ns"
    }
    let network =
      "  network as described: \(NumberFormat.significant(cluster.latency * 1e6, digits: 3)) µs, "
      + "\(NumberFormat.significant(cluster.bandwidth / 1e9, digits: 3)) GB/s a node; "
      + "\(NumberFormat.fixed(100 * ScalingModel.overlap, decimals: 0)) % of a backward pass hide a sum"
    return
      ([table.text, "", "what it rests on:"] + rests + [network, "", "advice:"]
      + advice(room: room).map { "  " + $0 }).joined(separator: "\n")
  }

  /// Flags that suit the whole cluster.
  package func advice(room: Int?) -> [String] {
    let last = lines.filter { $0.prediction.nodes == cluster.nodes }
    func fits(_ line: Line, _ bytes: Int) -> Bool { room.map { bytes * line.layout.ranksPerNode <= $0 } ?? true }
    let fitting = last.filter { fits($0, $0.memory.totalBytes) }
    let again = last.filter { fits($0, $0.recomputedMemory) }
    guard
      let best = (fitting.isEmpty ? again : fitting).max(by: {
        $0.prediction.tokensPerSecond < $1.prediction.tokensPerSecond
      })
    else {
      return ["no layout fits a node's memory: lower --micro-batch-tokens, or try --weights bf16 or --use-peft true"]
    }
    var advice = [
      "--nproc-per-node \(best.layout.ranksPerNode) --threads \(best.layout.threads)"
        + (last.count > 1 ? ", the faster of \(last.count) layouts" : "")
    ]
    let wanted = best.layout.threads * Self.panelTokens
    if best.memory.workload.tokens < wanted {
      advice.append(
        "--micro-batch-tokens \(wanted): \(best.layout.threads) threads share a micro-batch, and a panel of "
          + "\(Self.panelTokens) tokens a thread makes products fast")
    }
    if fitting.isEmpty { advice.append("--recompute true: only then do \(best.layout.ranksPerNode) ranks fit a node") }
    let gain = 1 - best.narrowStepSeconds / best.prediction.stepSeconds
    if gain > 0.03 {
      advice.append("--wire bf16 takes \(NumberFormat.fixed(100 * gain, decimals: 0)) % off a step; sums stay fp32")
    }
    if best.prediction.exposedSeconds > 0.2 * best.prediction.stepSeconds {
      advice.append("more pairs a step: communication is much of it (global_batch_size)")
    }
    return advice
  }
}

extension ScalingCalibration {
  /// For a layout of which this is a smaller likeness: threads are taken to be as fast as here, and sums inside a node
  /// to take as long as the bytes that all its ranks move.
  func scaled(to layout: Forecast.Layout) -> ScalingCalibration {
    let more = Double(layout.ranksPerNode - 1) / Double(max(1, ranks - 1))
    return ScalingCalibration(
      self, passFactor: Double(threads) / Double(layout.threads), sumFactor: ranks > 1 ? more : 1)
  }
}
