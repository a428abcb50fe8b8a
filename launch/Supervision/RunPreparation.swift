import Configuration
import Glibc
import LaunchPlan
import Reporting
import RunFolder

/// Finds out where and how a training run starts: the first time with everything checked and told, further times quietly, on
/// the hosts that are left.
package struct RunPreparation {
  private let options: LaunchOptions
  private let topology: Topology
  private let worker: String
  private let starter: Starter
  private let environment: [String: String]
  private let allocation: Allocation?
  private let configuration: RunConfiguration
  private let layout: RunLayout
  /// Checkpoints that were there before the first start, as they were.
  private let earlier: [String: Double]
  /// Folders of the launcher's, the same on other hosts.
  private let folder: String

  /// - Throws: what parsing the configuration throws; ``TregError`` 73 when the run's folder cannot be had.
  package init(
    _ options: LaunchOptions, on topology: Topology, worker: String, starter: Starter, environment: [String: String],
    allocation: Allocation?
  ) throws {
    self.options = options
    self.topology = topology
    self.worker = worker
    self.starter = starter
    self.environment = environment
    self.allocation = allocation
    let words = WorkerWords(options.arguments.dropFirst())
    configuration = try RunConfiguration.parse(
      file: words.file, flags: words.flags, requiring: ["model", "data", "out"]
    ).configuration
    layout = RunLayout(configuration.out)
    if !Self.goesOn(options.arguments) { try layout.check(.fresh) }
    try FolderLock.check(layout.lock)
    if let other = LaunchRecord(readingFrom: layout.launch), other.isAlive == true,
      other.process != Machine.processIdentifier
    {
      throw TregError.cannotCreate(
        at: layout.root, "treg-launch (process \(other.process)) watches a run in it; treg-launch stop ends that")
    }
    earlier = Self.checkpoints(layout)
    folder = Self.currentFolder()
  }

  package var runLayout: RunLayout { layout }

  /// Whether a command takes a folder that is not empty.
  package static func goesOn(_ arguments: [String]) -> Bool {
    arguments.contains { $0 == "--overwrite" || $0 == "--resume" || $0.hasPrefix("--resume=") }
  }

  /// The first start: prints the plan, checks memory and hosts.
  ///
  /// - Throws: ``TregError`` for whatever stands against it, after a line for each further problem.
  package func first() async throws -> Supervisor.Start {
    let plan = try makePlan(attempt: 0, hosts: nil, interface: nil)
    try RankDivision(configuration).check(nodes: plan.nodes, ranksPerNode: plan.ranksPerNode)
    for line in plan.summary(of: topology) { Console.note(line) }
    let memory = try MemoryCheck(options, plan)
    if let memory {
      Console.note("memory    of one rank, \(memory.ranksPerNode) on this machine\n\(memory.formula)")
    }
    let hosts = try options.hosts(in: allocation)
    guard hosts != nil || acrossNodes, options.checksHosts else {
      if hosts == nil {
        try memory?.check(available: topology.availableBytes)
        if acrossNodes { try checkCores(plan) }
      }
      return Supervisor.Start(plan: plan, hosts: hosts?.names ?? [Machine.hostName])
    }
    let findings = try await ask(hosts?.names)
    let verdict = HostVerdict(findings, needs: needs(plan, memory))
    try verdict.tellAndRefuse()
    let interface = options.interface ?? HostVerdict.sharedNetwork(findings)
    if interface == nil, hosts != nil, findings.count > 1 {
      Console.note("no network is known that all hosts share; Open MPI will look for one (--interface names it)")
    }
    let checked = try makePlan(attempt: 0, hosts: hosts, interface: interface)
    if checked.command != plan.command { Console.note("command   \(checked.commandLine)") }
    return Supervisor.Start(plan: checked, hosts: findings.map(\.host))
  }

  /// A further start, from the newest checkpoint, on the hosts that answer.
  ///
  /// - Throws: ``TregError`` 69 when they are too few.
  package func again(_ attempt: Int) async throws -> Supervisor.Start {
    guard let hosts = try options.hosts(in: allocation), options.checksHosts else {
      return Supervisor.Start(
        plan: try makePlan(attempt: attempt, hosts: nil, interface: nil),
        hosts: try options.hosts(in: allocation)?.names ?? [Machine.hostName])
    }
    let findings = try await ask(hosts.names)
    let plan = try makePlan(attempt: attempt, hosts: hosts, interface: nil)
    let verdict = HostVerdict(findings, needs: needs(plan, try MemoryCheck(options, plan)))
    let division = RankDivision(configuration)
    let fit = Array(
      verdict.fit.prefix(division.hosts(of: verdict.fit.count, ranksPerNode: plan.ranksPerNode)))
    let idle = Array(verdict.fit.dropFirst(fit.count))
    let least = options.minRanks ?? plan.ranks
    guard !fit.isEmpty, fit.count * plan.ranksPerNode >= least else {
      let absent = verdict.problems.map { "\($0.host) \($0.line)" }.joined(separator: "; ")
      let evenly =
        idle.isEmpty
        ? ""
        : " (of \(verdict.fit.count) that answer: ranks have to divide \(division.virtualRanks ?? 0) virtual_ranks)"
      throw TregError(
        .unavailable,
        "\(fit.count) of \(hosts.hosts.count) hosts can be used\(evenly), for \(fit.count * plan.ranksPerNode) ranks; "
          + "\(options.minRanks == nil ? "all \(least) are wanted (--min-ranks)" : "--min-ranks is \(least)"): \(absent)"
      )
    }
    let interface =
      options.interface ?? HostVerdict.sharedNetwork(findings.filter { fit.contains($0.host) })
    guard fit.count < hosts.hosts.count else {
      return Supervisor.Start(
        plan: try makePlan(attempt: attempt, hosts: hosts, interface: interface), hosts: fit)
    }
    let rest = hosts.keeping(fit, path: FileSystem.join(layout.logs, "hosts"))
    try rest.write()
    for problem in verdict.problems { Console.note("treg-launch: without \(problem.host): it \(problem.line)") }
    for host in idle {
      Console.note(
        "treg-launch: without \(host): \((fit.count + 1) * plan.ranksPerNode) ranks or more do not divide "
          + "\(division.virtualRanks ?? 0) virtual_ranks")
    }
    return Supervisor.Start(plan: try makePlan(attempt: attempt, hosts: rest, interface: interface), hosts: fit)
  }

  // MARK: Parts

  /// Whether ranks are on several nodes of a Slurm job.
  private var acrossNodes: Bool { allocation != nil && options.hostfile == nil && !options.isDebug }

  private func makePlan(attempt: Int, hosts: Hostfile?, interface: String?) throws -> LaunchPlan {
    var around = LaunchPlan.Surroundings()
    around.allocation = allocation
    around.hosts = hosts
    around.interface = interface
    around.attempt = attempt
    around.forwarded = ForwardedVariables.names(in: environment)
    var own = options
    if attempt > 0 { own.arguments = resumed() }
    return try LaunchPlan(own, on: topology, worker: worker, starter: starter, around)
  }

  /// The user's words with `--resume`, from the newest checkpoint of this run.
  ///
  /// Where the user named a checkpoint, it stands until this run has written one: others in the folder may be of a run that
  /// went elsewhere. And where an earlier run was to be overwritten and still is there, it still is to be.
  private func resumed() -> [String] {
    let arguments = options.arguments
    let now = Self.checkpoints(layout)
    if arguments.contains("--overwrite"), earlier.contains(where: { now[$0.key] == $0.value }) { return arguments }
    guard let named = WorkerWords(arguments.dropFirst()).checkpoint, !named.isEmpty else {
      return WorkerWords.resuming(arguments)
    }
    let own = now.filter { earlier[$0.key] != $0.value }
    return WorkerWords.resuming(arguments, from: own.max { $0.value < $1.value }?.key ?? named)
  }

  /// Paths of checkpoints, and when each was written.
  private static func checkpoints(_ layout: RunLayout) -> [String: Double] {
    var found: [String: Double] = [:]
    for (_, path) in (try? layout.checkpoints()) ?? [] {
      var status = stat()
      if stat(path, &status) == 0 {
        found[path] = Double(status.st_mtim.tv_sec) + Double(status.st_mtim.tv_nsec) * 1e-9
      }
    }
    return found
  }

  private func ask(_ hosts: [String]?) async throws -> [HostCheck.Finding] {
    let words = WorkerWords(options.arguments.dropFirst()).configuration
    let check = HostCheck(
      worker: worker, words: words,
      environment: environment.filter { ForwardedVariables.names(in: environment).contains($0.key) }, folder: folder,
      sshConfig: options.sshConfig, daemon: hosts == nil ? nil : starter.daemon)
    if let hosts { return try await check.ask(hosts) }
    return try await check.ask(allocation!, srun: Programs.slurm("srun"))
  }

  private func needs(_ plan: LaunchPlan, _ memory: MemoryCheck?) -> HostVerdict.Needs {
    var needs = HostVerdict.Needs()
    needs.memory = memory?.totalBytes
    needs.disk = memory.map { 2 * $0.checkpointBytes }
    needs.cores = options.mayOversubscribe ? nil : plan.ranksPerNode * plan.threads
    if case .mpirun(_, let flavour) = starter { needs.mpi = flavour == .openMPI ? "openmpi" : "mpich" }
    needs.daemon = starter.daemon.map { FileSystem.name(of: $0) }
    return needs
  }

  private func checkCores(_ plan: LaunchPlan) throws {
    guard !options.mayOversubscribe, let allocation else { return }
    try plan.checkCores(
      min(topology.usableCores, allocation.cpusOnNode ?? .max), of: "a node of Slurm job \(allocation.job)")
  }

  /// The folder of the run that some options start.
  ///
  /// - Throws: what parsing the configuration throws.
  package static func outFolder(_ options: LaunchOptions) throws -> String {
    let words = WorkerWords(options.arguments.dropFirst())
    return try RunConfiguration.parse(
      file: words.file, flags: words.flags, requiring: ["model", "data", "out"]
    ).configuration.out
  }

  package static func currentFolder() -> String {
    guard let path = getcwd(nil, 0) else { return "/" }
    defer { free(path) }
    return String(cString: path)
  }
}
