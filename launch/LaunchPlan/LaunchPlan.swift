import RunFolder

/// Which program starts how many ranks with how many threads, and where they run.
package struct LaunchPlan: Sendable, Equatable {
  package enum Flavour: Sendable, Equatable {
    case openMPI, mpich
  }

  /// What lies around a plan: where ranks can run, and which start it is.
  package struct Surroundings: Sendable {
    /// Slurm's job that the launcher runs in.
    package var allocation: Allocation?
    /// Hosts that take part, in place of the options' own: those that answer.
    package var hosts: Hostfile?
    /// Network between the hosts, in place of the options' own.
    package var interface: String?
    /// Which start of the run it is, from 0; nil: the run is not watched.
    package var attempt: Int?
    /// Variables of the launcher's environment that ranks on other hosts need, by name.
    package var forwarded: [String] = []

    package init() {}
  }

  package let nodes: Int
  package let ranksPerNode: Int
  package let threads: Int
  /// Whether each rank has cores of its own. Not so when there are fewer cores than threads.
  package let isBound: Bool
  /// The program and its arguments.
  package private(set) var command: [String]
  /// Variables that every rank needs.
  package let environment: [String: String]
  /// How ranks' lines are marked; nil: they are not.
  package let label: RankLabel?
  /// Hosts on which Open MPI's mpirun starts ranks by itself, which is here or by ssh; nil: something else starts them.
  package let openMPIHosts: [String]?
  /// Whether ranks run on this machine, which is nobody's job.
  private let isHere: Bool

  package var ranks: Int { nodes * ranksPerNode }

  /// The name under which workers are told how many ranks were started, so that they can check it.
  package static let expectedRanks = "TREG_EXPECTED_RANKS"
  /// The name under which workers are told which start of the run they belong to, from 0.
  package static let attemptName = "TREG_ATTEMPT"

  /// The plan for this machine, which stands for the others of the job.
  ///
  /// Unless told otherwise there is one rank per NUMA node, since memory of another node is slow, and the cores are
  /// divided among the ranks. In a Slurm job its own numbers of tasks and processors come before that.
  ///
  /// - Parameters:
  ///   - worker: the path of the worker.
  ///   - starter: the path of mpirun and whose it is; not needed for `--debug`.
  /// - Throws: ``TregError``: 64 for numbers below 1, 69 without any MPI, 66 and 78 for a bad hostfile.
  package init(_ options: LaunchOptions, on topology: Topology, worker: String, starter: (path: String, Flavour)?)
    throws
  {
    try self.init(
      options, on: topology, worker: worker,
      starter: starter.map { Starter.mpirun(path: $0.path, flavour: $0.1) }, Surroundings())
  }

  package init(
    _ options: LaunchOptions, on topology: Topology, worker: String, starter: Starter?, _ around: Surroundings
  ) throws {
    try options.check()
    let allocation = options.hostfile == nil && !options.isDebug ? around.allocation : nil
    let hosts = options.isDebug ? nil : try around.hosts ?? options.hosts(in: allocation)
    isHere = hosts == nil && allocation == nil
    let cores = min(topology.usableCores, max(1, allocation?.cpusOnNode ?? .max))
    nodes = options.isDebug ? 1 : hosts?.hosts.count ?? options.nodes ?? allocation?.nodes ?? 1
    if options.isDebug {
      ranksPerNode = 1
    } else if let ranks = options.ranksPerNode ?? allocation?.tasksPerNode {
      ranksPerNode = ranks
    } else if let threads = options.threads ?? allocation?.cpusPerTask {
      ranksPerNode = max(1, min(topology.nodeCount, cores / threads))
    } else {
      ranksPerNode = min(topology.nodeCount, cores)
    }
    threads = options.threads ?? allocation?.cpusPerTask ?? max(1, cores / ranksPerNode)
    isBound =
      options.binds && !options.isDebug && ranksPerNode * threads <= cores && cores == topology.cores.count

    let workerCommand = [worker] + options.arguments + ["--threads", String(threads)]
    if options.isDebug {
      environment = [:]
      command = workerCommand
      label = nil
      openMPIHosts = nil
      return
    }
    guard let starter else {
      throw TregError(
        .unavailable,
        "no mpirun was found; install Open MPI (Debian: openmpi-bin) or MPICH, or add --debug for one rank")
    }
    var variables = [Self.expectedRanks: String(nodes * ranksPerNode)]
    if let attempt = around.attempt { variables[Self.attemptName] = String(attempt) }
    var interface = around.interface ?? options.interface
    if case .mpirun(_, .mpich) = starter {
      interface = try Self.interfaceName(interface, asked: options.interface, among: NetworkAddress.own)
    }
    let start = RankStart(
      nodes: nodes, ranksPerNode: ranksPerNode, threads: threads, isBound: isBound,
      // Records on standard output may be longer than a line that mpirun can mark.
      isLabelled: options.arguments.first == "train", hosts: hosts,
      isAcrossHosts: hosts != nil || allocation != nil, interface: interface,
      sshConfig: options.sshConfig, variables: variables.sorted { $0.key < $1.key },
      forwarded: around.forwarded.filter { variables[$0] == nil })
    try hosts?.check(ranksPerNode: ranksPerNode, starter)
    switch starter {
    case .mpirun(let path, .openMPI):
      command = start.openMPI(path) + workerCommand
      label = start.isLabelled ? .openMPI : nil
      openMPIHosts = allocation == nil ? hosts?.names ?? ["localhost"] : nil
    case .mpirun(let path, .mpich):
      command = start.mpich(path) + workerCommand
      label = start.isLabelled ? .mpich : nil
      openMPIHosts = nil
      if hosts != nil {
        variables["HYDRA_LAUNCHER_EXTRA_ARGS"] = SSH.options(config: options.sshConfig).joined(separator: " ")
      }
    case .srun(let path):
      command = start.srun(path) + workerCommand
      label = start.isLabelled ? .srun : nil
      openMPIHosts = nil
    }
    environment = variables
  }

  /// The interface that has an address in a network: MPICH takes interfaces by their names alone.
  ///
  /// - Parameters:
  ///   - network: a network such as 10.0.0.0/24, or a name, which stays.
  ///   - asked: what the user asked for; a network that was found by itself may be left to MPICH's own choice.
  /// - Throws: ``TregError`` 78 when nothing here is in the network that the user asked for.
  package static func interfaceName(_ network: String?, asked: String?, among addresses: [NetworkAddress]) throws
    -> String?
  {
    guard let network, network.contains("/") else { return network }
    if let own = addresses.first(where: { $0.network == network }) { return own.interface }
    guard asked == nil else {
      throw TregError.configuration(
        at: "--interface \(network)",
        "no interface of this machine is in that network, and MPICH takes interfaces by name alone")
    }
    return nil
  }

  /// The same plan with folders of its own for what Open MPI keeps while ranks run.
  package func keeping(files folders: SessionFolders) -> LaunchPlan {
    var plan = self
    if openMPIHosts != nil { plan.command.insert(contentsOf: folders.words, at: 1) }
    return plan
  }

  /// The choice in words, with the machine it was made for.
  package func summary(of topology: Topology) -> [String] {
    let quota = topology.quota.map { ", \($0) granted by the control group" } ?? ""
    let machine =
      "machine   \(topology.cores.count) cores (\(topology.cores.joined().count) processors\(quota)), "
      + "\(topology.nodeCount) NUMA node\(topology.nodeCount == 1 ? "" : "s")"
    let place = nodes == 1 ? "" : " (\(nodes) nodes × \(ranksPerNode))"
    let binding =
      isBound ? "each rank bound to \(threads) core\(threads == 1 ? "" : "s") of its own" : "not bound to cores"
    let layout = "ranks     \(ranks)\(place) × \(threads) thread\(threads == 1 ? "" : "s"), \(binding)"
    return [machine, layout] + crowding(of: topology) + ["command   \(commandLine)"]
  }

  /// Here more threads than cores are allowed, for trials, but seldom meant.
  private func crowding(of topology: Topology) -> [String] {
    let (wanted, cores) = (ranksPerNode * threads, topology.usableCores)
    guard isHere, wanted > cores else { return [] }
    let share = "\(wanted) threads share \(cores) core\(cores == 1 ? "" : "s")"
    return ["warning   \(share), which is slower than fewer of them"]
  }

  /// The command as a shell reads it.
  package var commandLine: String { ShellWord.line(command) }

  /// - Throws: ``TregError`` 78 when a host would get more threads than it has cores.
  package func checkCores(_ cores: Int, of host: String) throws {
    guard ranksPerNode * threads > cores else { return }
    throw TregError.configuration(
      at: host,
      "\(ranksPerNode) rank\(ranksPerNode == 1 ? "" : "s") × \(threads) thread\(threads == 1 ? "" : "s") need "
        + "\(ranksPerNode * threads) cores, it has \(cores); lower --nproc-per-node or --threads, or add --oversubscribe"
    )
  }
}

extension Hostfile {
  fileprivate func check(ranksPerNode: Int, _ starter: Starter) throws {
    guard case .mpirun(_, let flavour) = starter else { return }
    try check(ranksPerNode: ranksPerNode, flavour: flavour)
  }
}
