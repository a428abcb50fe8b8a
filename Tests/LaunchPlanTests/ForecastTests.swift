import LaunchPlan
import OrderedJSON
import RunFolder
import Testing

@Suite struct ForecastTests {
  static let yaml = """
    nodes: 16
    cores: 8
    memory: 64 GB
    latency: 20 us      # between nodes
    bandwidth: 10 Gbit/s
    """

  @Test func readsAClusterDescription() throws {
    let cluster = try ClusterDescription(yaml: Self.yaml, place: "c.yaml")
    #expect(cluster.nodes == 16 && cluster.cores == 8 && cluster.memory == 64_000_000_000)
    #expect(abs(cluster.latency - 20e-6) < 1e-12 && cluster.bandwidth == 1.25e9)
    let silent = try ClusterDescription(
      yaml: "nodes: 2\ncores: 1\nlatency: 0.1ms\nbandwidth: 1.5GB/s\nmemory: null", place: "c.yaml")
    #expect(silent.memory == nil && abs(silent.latency - 1e-4) < 1e-12 && silent.bandwidth == 1.5e9)
  }

  @Test(arguments: [
    ("nodes: 0", "nodes: expected a whole number above 0, found 0"), ("latency: 20", "latency: expected a time"),
    ("bandwidth: fast", "bandwidth: expected a rate"), ("memory: 3", "memory: expected a size"),
    ("latency: -1 us", "latency: expected a time"), ("racks: 2", "racks: no such key"), ("nodes: [1, 2]", "one value"),
  ])
  func refusesWhatIsNoDescription(line: String, message: String) throws {
    let key = line.prefix { $0 != ":" }
    let yaml = Self.yaml.split(separator: "\n").filter { !$0.hasPrefix(key) }.joined(separator: "\n") + "\n" + line
    let error = #expect(throws: TregError.self) { try ClusterDescription(yaml: yaml, place: "c.yaml") }
    #expect(
      error?.exitCode == .configuration
        && error?.description.contains("c.yaml:\(yaml.split(separator: "\n").count): ") == true,
      "\(error?.description ?? "")")
    #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
  }

  @Test func aMissingKeyIsNamed() {
    let error = #expect(throws: TregError.self) { try ClusterDescription(yaml: "nodes: 1", place: "c.yaml") }
    #expect(error?.description.contains("cores is missing") == true)
  }

  static func calibration(
    ranks: Int = 1, threads: Int = 8, reduce: Double = 0, gather: Double = 0, loads: [(Int, Int)] = [(16, 64)]
  ) throws -> ScalingCalibration {
    let listed = loads.map { ranks, batch in
      """
      {"ranks": \(ranks), "batch": \(batch), "slowest": 6e12, "mean": 5e12, "last": 3e12, "tokens": 1e5}
      """
    }
    return try ScalingCalibration(
      JSONValue(
        parsing: Array(
          """
          {"ranks": \(ranks), "threads": \(threads), "elements": 250000000, "pass_seconds": 1e-12, "forward_share": 0.25,
           "optimizer_seconds": 4e-9, "clear_seconds": 1e-10, "reduce_seconds": \(reduce), "gather_seconds": \(gather),
           "loads": [\(listed.joined(separator: ", "))]}
          """.utf8)))
  }

  /// Sixteen nodes, a gigabyte of gradient: each node sends and takes fifteen sixteenths of it, twice.
  @Test func addsUpAStep() throws {
    let calibration = try Self.calibration()
    let fast = ScalingModel(calibration, ranksPerNode: 1, network: (0, 1e9)).predict(calibration.loads[0])
    #expect(fast.nodes == 16 && abs(fast.passSeconds - 6) < 1e-9)
    #expect(abs(fast.optimizerSeconds - (1.0 / 16 + 0.025)) < 1e-9)
    #expect(abs(fast.sumSeconds - 15.0 / 16) < 1e-9 && abs(fast.gatherSeconds - 15.0 / 16) < 1e-9)
    // 60 buckets, and a backward pass of 2.25 s: all but the last bucket is hidden, and the gathering is not.
    let handled = ScalingModel.handlingSeconds * 1e9 * 15 / 16
    #expect(abs(fast.exposedSeconds - (15.0 / 16) * (1 + 1.0 / 60) - handled) < 1e-6, "\(fast.exposedSeconds)")
    #expect(abs(fast.stepSeconds - fast.passSeconds - fast.optimizerSeconds - fast.exposedSeconds) < 1e-9)
    #expect(abs(fast.useful - 5 / fast.stepSeconds) < 1e-9)

    // A link so slow that the pass hides only its own length.
    let slow = ScalingModel(calibration, ranksPerNode: 1, network: (0, 1e8)).predict(calibration.loads[0])
    #expect(abs(slow.exposedSeconds - (2 * 9.375 - ScalingModel.overlap * 2.25) - handled) < 1e-6)
    let narrow = ScalingModel(calibration, ranksPerNode: 1, network: (0, 1e8), wireBytes: 2)
      .predict(calibration.loads[0])
    #expect(abs(slow.stepSeconds - narrow.stepSeconds - 9.375 / 2 - handled / 2) < 1e-6)
    // With an eighth of the weights to wait for, a forward pass of 0.75 s hides its length, and weights are handled, too.
    let arriving = ScalingModel(calibration, ranksPerNode: 1, network: (0, 1e9), awaitedShare: 0.125)
      .predict(calibration.loads[0])
    let hidden = min(7.0 / 8 * 15 / 16, ScalingModel.overlap * 0.75)
    #expect(abs(fast.exposedSeconds - arriving.exposedSeconds - hidden + handled) < 1e-6)
    // A message to each of 15 owners in every bucket, 16 at a time, and one to begin with.
    let far = ScalingModel(calibration, ranksPerNode: 1, network: (1e-3, 1e9)).predict(calibration.loads[0])
    #expect(abs(far.sumSeconds - fast.sumSeconds - 1e-3 * (1 + 15.0 * 60 / 16)) < 1e-6)
  }

  @Test func oneRankSendsNothing() throws {
    let calibration = try Self.calibration(loads: [(1, 8)])
    let alone = ScalingModel(calibration, ranksPerNode: 1, network: nil).predict(calibration.loads[0])
    #expect(alone.exposedSeconds == 0 && alone.nodes == 1)
    let beside = try Self.calibration(ranks: 2, threads: 4, reduce: 1e-9, gather: 2e-9, loads: [(2, 8)])
    let two = ScalingModel(beside, ranksPerNode: 2, network: nil).predict(beside.loads[0])
    #expect(abs(two.exposedSeconds - 0.75) < 1e-9, "in memory, and not hidden")
  }

  @Test func looksAtOneRankANodeAndOneACore() throws {
    let machine = try Machine.twoNodes()
    let topology = try Topology(root: machine.root)
    func layouts(_ options: LaunchOptions, cores: Int = 8) -> [[Int]] {
      Forecast.layouts(options, cores: cores, here: topology).map {
        [$0.ranksPerNode, $0.threads, $0.localRanks, $0.localThreads]
      }
    }
    #expect(layouts(LaunchOptions(arguments: ["train"])) == [[2, 4, 2, 4], [8, 1, 8, 1]])
    #expect(layouts(LaunchOptions(arguments: ["train"]), cores: 32) == [[2, 16, 2, 4], [32, 1, 8, 1]])
    #expect(layouts(LaunchOptions(ranksPerNode: 4, arguments: ["train"])) == [[4, 2, 4, 2]])
    #expect(layouts(LaunchOptions(threads: 1, arguments: ["train"]), cores: 1) == [[1, 1, 1, 1]])
    // A node no larger than this machine with more threads than cores is measured as it will be.
    var crowded = LaunchOptions(ranksPerNode: 16, threads: 1, arguments: ["train"])
    #expect(layouts(crowded) == [[16, 1, 8, 1]])
    crowded.mayOversubscribe = true
    #expect(layouts(crowded) == [[16, 1, 16, 1]] && layouts(crowded, cores: 32) == [[16, 1, 8, 1]])
    #expect(Forecast.nodeCounts(1) == [1] && Forecast.nodeCounts(12) == [1, 2, 4, 8, 12])
  }
}
