import ArgumentParser
import Configuration
import Glibc
import LaunchPlan
import Reporting
import RunFolder

@main enum Program {
  static func main() async {
    var words = Array(CommandLine.arguments.dropFirst())
    if words.first == Guard.word { Guard.become(Array(words.dropFirst())) }
    // A reader that goes away is no reason to die, least of all beside a run. Children start with the usual signals.
    signal(SIGPIPE, SIG_IGN)
    // mpirun gives ranks a terminal of its own, whatever becomes of what they print.
    if isatty(STDOUT_FILENO) == 0, getenv("FORCE_COLOR") == nil { setenv("NO_COLOR", "1", 0) }
    // What follows the first -- is for sbatch.
    if let end = words.firstIndex(of: "--") {
      TregLaunch.batchArguments = Array(words[(end + 1)...])
      words = Array(words[..<end])
    }
    do {
      var command = try TregLaunch.parse(FlagWords.withDashes(words))
      try await command.run()
    } catch let code as ArgumentParser.ExitCode {
      exit(code.rawValue)
    } catch {
      // Help was asked for, or the command line cannot be understood.
      if TregLaunch.exitCode(for: error).isSuccess { TregLaunch.exit(withError: error) }
      let usage = TregError.usage("\(TregLaunch.message(for: error)); treg-launch --help tells more")
      exit(Console.fail(usage, program: "treg-launch").rawValue)
    }
  }
}

/// Plans ranks and threads, starts the worker on them, and watches over it.
struct TregLaunch: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "treg-launch",
    abstract: "Starts treg on the ranks that suit the machines, watches it and starts it again.",
    usage: """
      treg-launch [launch flags] train|evaluate|… [flags of treg]
      treg-launch rewards --shards 64 [--parallel N] [launch flags] [flags of treg]
      treg-launch plan [--cluster FILE] [launch flags] train [flags of treg]
      treg-launch doctor [launch flags] [flags of treg]
      treg-launch status OUT | logs OUT [--rank 7] [-f] | stop OUT [--now]
      treg-launch --slurm [launch flags] train|rewards … -- [arguments of sbatch]
      """,
    discussion: "Flags that the launcher does not know go to every rank as they are.")

  /// Set once, before anything runs.
  nonisolated(unsafe) static var batchArguments: [String] = []

  @OptionGroup(title: "Where ranks run") var launch: LaunchFlags
  @OptionGroup(title: "Slurm") var batch: BatchFlags

  @Option(
    help: """
      For plan: a YAML file with nodes, cores and memory of a node, latency and bandwidth of the network. Times, memory and \
      communication of training there are predicted from a minute's measurement here.
      """)
  var cluster: String?

  @Option(help: "For rewards: independent jobs that make so many shards, without MPI.")
  var shards: Int?

  @Option(help: "For rewards --shards: jobs at a time; by default as many as there are cores for.")
  var parallel: Int?

  @Option(help: "For logs: whose; by default the launcher's.")
  var rank: Int?

  @Flag(name: [.customShort("f"), .long], help: "For logs: go on printing what is added.")
  var follow = false

  @Flag(help: "For stop: end the run at once, not after the step.")
  var now = false

  @Flag(help: "Print the exact command or script, and start nothing.")
  var dryRun = false

  @Argument(parsing: .allUnrecognized, help: "The command and its flags.")
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
    guard let command = words.first else { throw TregError.usage("expected a command, such as train") }
    try Self.check(command)
    let arguments = ["plan", "doctor"].contains(command) ? Array(words.dropFirst()) : words
    try checkFlags(command)
    var options = launch.options(arguments)
    options.isDryRun = dryRun
    options.batch = batch.options(more: Self.batchArguments)
    try options.check()
    switch command {
    case "status", "logs", "stop": return try watch(command)
    case "doctor": return try await HostDoctor(options).run()
    case "rewards" where shards != nil:
      return try await RewardShards(options, shards: shards!, parallel: parallel).run()
    case "plan":
      guard let command = arguments.first, !command.hasPrefix("-") else {
        throw TregError.usage("expected a command of treg, such as train, after plan")
      }
      return try await RankedCommand(options).plan(cluster: cluster)
    default: return try await RankedCommand(options).run()
    }
  }

  private static let commands = [
    "train", "rewards", "evaluate", "inspect", "convert", "bench", "plan", "doctor", "status", "logs", "stop",
  ]

  /// - Throws: ``TregError`` 64 with what was meant, as far as can be told.
  private static func check(_ command: String) throws {
    if command.hasPrefix("-") {
      let name = command.prefix { $0 != "=" }
      let ranks = ["-n", "-np", "--np", "--ranks", "--nproc", "--num-processes"].contains(name)
      throw TregError.usage(
        "unknown flag \(name) before the command" + (ranks ? "; did you mean --nproc-per-node?" : ""))
    }
    guard !commands.contains(command) else { return }
    let meant = NearestName.find(command, among: commands).map { "did you mean \($0)?" }
    throw TregError.usage("unknown command \(command); \(meant ?? "there are \(commands.joined(separator: ", "))")")
  }

  /// Flags of one command beside another are mistakes.
  private func checkFlags(_ command: String) throws {
    for (flag, isGiven, owner) in [
      ("--cluster", cluster != nil, "plan"), ("--shards", shards != nil, "rewards"),
      ("--rank", rank != nil, "logs"), ("--follow", follow, "logs"), ("--now", now, "stop"),
    ] where isGiven && command != owner {
      throw TregError.usage("\(flag) goes with \(owner)")
    }
    if parallel != nil, shards == nil { throw TregError.usage("--parallel goes with rewards --shards") }
  }
}
