import ArgumentParser
import LaunchPlan

/// Flags that say where and how ranks start.
struct LaunchFlags: ParsableArguments {
  @Option(help: "Ranks on each host; by default one per NUMA node.")
  var nprocPerNode: Int?

  @Option(help: "Threads of each rank; by default the cores divided among the ranks.")
  var threads: Int?

  @Option(
    name: [.long, .customLong("nodes")],
    help: "Hosts of the job; by default those of the hostfile or of Slurm's job, or this one.")
  var nnodes: Int?

  @Option(help: "A file with a host name in each line, as mpirun reads it; ranks start there by ssh.")
  var hostfile: String?

  @Option(help: "A configuration file for ssh.")
  var sshConfig: String?

  @Option(
    help: "The network between hosts, such as 10.0.0.0/24 or eth0; by default the one that all hosts are reached by.")
  var interface: String?

  @Flag(help: "Do not bind ranks to cores: for machines that others use too.")
  var noBind = false

  @Flag(help: "Let a host have more threads than cores.")
  var oversubscribe = false

  @Flag(help: "Do not ask hosts, before the start, whether they are fit for the run.")
  var noHostChecks = false

  @Flag(help: "One solo rank in the foreground, without MPI.")
  var debug = false

  @Option(help: "Restarts in a row without a new checkpoint between them, of a run or of a shard.")
  var maxRestarts = 3

  @Option(help: "Ranks that a restarted run does with when hosts stay away; by default all.")
  var minRanks: Int?

  func options(_ arguments: [String]) -> LaunchOptions {
    var options = LaunchOptions(
      ranksPerNode: nprocPerNode, threads: threads, nodes: nnodes, hostfile: hostfile, isDebug: debug,
      arguments: arguments)
    options.sshConfig = sshConfig
    options.interface = interface
    options.binds = !noBind
    options.mayOversubscribe = oversubscribe
    options.checksHosts = !noHostChecks
    options.maxRestarts = maxRestarts
    options.minRanks = minRanks
    return options
  }
}

/// Flags for Slurm.
struct BatchFlags: ParsableArguments {
  @Flag(help: "Write a batch script and submit it; further arguments of sbatch follow after --.")
  var slurm = false

  @Option(help: "Slurm's partition.")
  var partition: String?

  @Option(help: "Slurm's account.")
  var account: String?

  @Option(help: "Slurm's limit of time.")
  var time: String?

  @Flag(help: "Wait for the job's end.")
  var wait = false

  func options(more: [String]) -> BatchOptions {
    var options = BatchOptions()
    options.isAsked = slurm
    options.partition = partition
    options.account = account
    options.time = time
    options.waits = wait
    options.more = more
    return options
  }
}
