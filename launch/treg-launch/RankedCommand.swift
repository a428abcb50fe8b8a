import Foundation
import LaunchPlan
import Reporting
import RunFolder
import Supervision

/// A command of the worker on ranks: planned, started, and, when it trains, watched.
struct RankedCommand {
  private var options: LaunchOptions
  private let environment = ProcessInfo.processInfo.environment
  private let topology: Topology

  init(_ options: LaunchOptions) throws {
    self.options = options
    self.options.threads = try options.threads ?? options.configuredThreads()
    topology = try Topology()
  }

  private var trains: Bool { options.arguments.first == "train" }

  func run() async throws -> Int32 {
    if options.batch.isAsked { return try await submit() }
    let worker = try Programs.worker()
    if options.isDebug {
      let plan = try LaunchPlan(options, on: topology, worker: worker, starter: nil)
      if options.isDryRun {
        Console.print(plan.commandLine)
        return 0
      }
      for line in plan.summary(of: topology) { Console.note(line) }
      if let memory = try MemoryCheck(options, plan) { try tell(memory) }
      try Launcher.become(plan)
    }
    let allocation = options.hostfile == nil ? Allocation(environment) : nil
    let starter = try await Self.starter(in: allocation)
    if trains, !options.isDryRun {
      let signals = ForwardedSignals()
      let preparation = try RunPreparation(
        options, on: topology, worker: worker, starter: starter, environment: environment, allocation: allocation)
      let first = try await preparation.first()
      return try await Supervisor(
        preparation.runLayout, maxRestarts: options.maxRestarts, guardian: Programs.launcher(), signals: signals,
        environment: environment, sshConfig: options.sshConfig
      ) { try await preparation.again($0) }.run(first)
    }
    let plan = try LaunchPlan(options, on: topology, worker: worker, starter: starter, surroundings(allocation))
    try RankDivision(options).check(nodes: plan.nodes, ranksPerNode: plan.ranksPerNode)
    if options.isDryRun {
      Console.print(plan.commandLine)
      return 0
    }
    for line in plan.summary(of: topology) { Console.note(line) }
    return try await SessionKeepers.during(
      plan, environment: environment, sshConfig: options.sshConfig
    ) { try await Launcher.run($0, guardian: Programs.launcher()) }
  }

  /// What would be started, or what it would take on a cluster.
  func plan(cluster: String?) async throws -> Int32 {
    let worker = try Programs.worker()
    if let cluster {
      let forecast = try await Forecast(
        options, cluster: ClusterDescription(file: cluster), on: topology, worker: worker,
        starter: Programs.starter())
      Console.print(forecast.text(availableBytes: topology.availableBytes))
      return 0
    }
    let allocation = options.hostfile == nil ? Allocation(environment) : nil
    let starter = options.isDebug ? nil : try await Self.starter(in: allocation)
    let plan = try LaunchPlan(options, on: topology, worker: worker, starter: starter, surroundings(allocation))
    try RankDivision(options).check(nodes: plan.nodes, ranksPerNode: plan.ranksPerNode)
    if options.isDryRun {
      Console.print(plan.commandLine)
      return 0
    }
    for line in plan.summary(of: topology) { Console.note(line) }
    if let memory = try MemoryCheck(options, plan) { try tell(memory) }
    return 0
  }

  private func tell(_ memory: MemoryCheck) throws {
    Console.note("memory    of one rank, \(memory.ranksPerNode) on this machine\n\(memory.formula)")
    try memory.check(available: topology.availableBytes)
  }

  private func surroundings(_ allocation: Allocation?) -> LaunchPlan.Surroundings {
    var around = LaunchPlan.Surroundings()
    around.allocation = allocation
    around.attempt = trains ? 0 : nil
    around.forwarded = ForwardedVariables.names(in: environment)
    return around
  }

  static func starter(in allocation: Allocation?) async throws -> Starter {
    if let allocation { return try await Programs.starter(in: allocation) }
    guard let (path, flavour) = try await Programs.starter() else {
      throw TregError(
        .unavailable,
        "no mpirun was found; install Open MPI (Debian: openmpi-bin) or MPICH, or add --debug for one rank")
    }
    return .mpirun(path: path, flavour: flavour)
  }

  // MARK: Slurm

  /// Writes the batch script into the run's folder and submits it.
  private func submit() async throws -> Int32 {
    guard trains else { throw TregError.usage("--slurm takes train and rewards --shards") }
    let out = try RunPreparation.outFolder(options)
    // Whatever the ranks of a node will be, theirs are a multiple of the nodes.
    try RankDivision(options).check(nodes: options.nodes ?? 1, ranksPerNode: options.ranksPerNode ?? 1)
    // A job should not learn at night what can be told now.
    if !RunPreparation.goesOn(options.arguments) { try RunLayout(out).check(.fresh) }
    let script = try BatchScript(options, launcher: Programs.launcher() ?? "treg-launch", out: out)
    return try await Submission(
      script: script.text, path: RunLayout(out).batchScript, logs: RunLayout(out).logs,
      waits: options.batch.waits, isDryRun: options.isDryRun
    ).run()
  }
}
