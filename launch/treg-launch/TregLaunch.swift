import ArgumentParser
import LaunchPlan
import Reporting
import RunFolder

/// Plans ranks and threads for this machine and starts the worker on them.
@main struct TregLaunch: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "treg-launch",
    abstract: "Starts treg on the ranks that suit this machine.",
    usage: """
      treg-launch [launch flags] train|rewards|… [flags of treg]
      treg-launch plan [--cluster FILE] [launch flags] train [flags of treg]
      """,
    discussion: "Flags that the launcher does not know go to every rank as they are.")

  @Option(help: "Ranks on each machine; by default one per NUMA node.")
  var nprocPerNode: Int?

  @Option(help: "Threads of each rank; by default the cores divided among the ranks.")
  var threads: Int?

  @Option(help: "Machines of the job; by default those of the hostfile, or this one.")
  var nnodes: Int?

  @Option(help: "A file with a host name in each line, as mpirun reads it.")
  var hostfile: String?

  @Option(
    help: """
      For plan: a YAML file with nodes, cores and memory of a node, latency and bandwidth of the network. Times, memory and \
      communication of training there are predicted from a minute's measurement here.
      """)
  var cluster: String?

  @Flag(help: "One solo rank in the foreground, without MPI.")
  var debug = false

  @Flag(help: "Print the command and start nothing.")
  var dryRun = false

  @Argument(parsing: .allUnrecognized, help: "The command of treg and its flags.")
  var words: [String] = []

  mutating func run() async throws {
    do {
      throw ArgumentParser.ExitCode(try await start())
    } catch let error as ArgumentParser.ExitCode {
      throw error
    } catch {
      throw ArgumentParser.ExitCode(Console.fail(error, program: "treg-launch").rawValue)
    }
  }

  private func start() async throws -> Int32 {
    let isPlan = words.first == "plan"
    let arguments = isPlan ? Array(words.dropFirst()) : words
    guard let command = arguments.first, !command.hasPrefix("-") else {
      throw TregError.usage("expected a command of treg, such as train, before its flags")
    }
    var options = LaunchOptions(
      ranksPerNode: nprocPerNode, threads: threads, nodes: nnodes, hostfile: hostfile, isDebug: debug,
      isDryRun: dryRun, arguments: arguments)
    options.threads = try options.threads ?? options.configuredThreads()
    let topology = try Topology()
    if let cluster {
      guard isPlan else { throw TregError.usage("--cluster goes with plan") }
      let forecast = try await Forecast(
        options, cluster: ClusterDescription(file: cluster), on: topology, worker: Programs.worker(),
        starter: Programs.starter())
      Console.print(forecast.text(availableBytes: topology.availableBytes))
      return 0
    }
    let plan = try LaunchPlan(
      options, on: topology, worker: try Programs.worker(), starter: debug ? nil : try await Programs.starter())
    if dryRun {
      Console.print(plan.commandLine)
      return 0
    }
    for line in plan.summary(of: topology) { Console.note(line) }
    if let memory = try MemoryCheck(options, plan) {
      Console.note("memory    of one rank, \(memory.ranksPerNode) on this machine\n\(memory.formula)")
      try memory.check(available: topology.availableBytes)
    }
    if isPlan { return 0 }
    if debug { try Launcher.become(plan) }
    return try await Launcher.run(plan)
  }
}
