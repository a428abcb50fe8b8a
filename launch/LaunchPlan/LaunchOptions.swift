import RunFolder

/// The launcher's own flags, and the words that go to every rank.
package struct LaunchOptions: Sendable, Equatable {
  package var ranksPerNode: Int?
  package var threads: Int?
  package var nodes: Int?
  package var hostfile: String?
  package var isDebug: Bool
  package var isDryRun: Bool
  /// Network between hosts: an interface's name or a CIDR; nil: found by the check of the hosts.
  package var interface: String?
  /// A configuration file for ssh.
  package var sshConfig: String?
  /// Whether ranks get cores of their own, where there are enough; not so on machines that others use too.
  package var binds = true
  /// Whether a host may get more threads than it has cores.
  package var mayOversubscribe = false
  /// Restarts in a row without a new checkpoint between them.
  package var maxRestarts = 3
  /// Ranks that a restarted run does with; nil: all.
  package var minRanks: Int?
  /// Whether hosts are asked, before the start, if they are fit for the run.
  package var checksHosts = true
  /// For Slurm.
  package var batch = BatchOptions()
  /// What the worker is called with: its command and its flags.
  package var arguments: [String]

  package init(
    ranksPerNode: Int? = nil, threads: Int? = nil, nodes: Int? = nil, hostfile: String? = nil, isDebug: Bool = false,
    isDryRun: Bool = false, arguments: [String]
  ) {
    self.ranksPerNode = ranksPerNode
    self.threads = threads
    self.nodes = nodes
    self.hostfile = hostfile
    self.isDebug = isDebug
    self.isDryRun = isDryRun
    self.arguments = arguments
  }

  /// - Throws: ``TregError`` 64 for numbers below 1 and flags that exclude each other.
  package func check() throws {
    for (flag, value) in [
      ("--nproc-per-node", ranksPerNode), ("--threads", threads), ("--nnodes", nodes), ("--min-ranks", minRanks),
    ] {
      guard (value ?? 1) >= 1 else {
        throw TregError.usage("\(flag): expected a whole number above 0, found \(value!)")
      }
    }
    guard maxRestarts >= 0 else {
      throw TregError.usage("--max-restarts: expected 0 or more, found \(maxRestarts)")
    }
    if let config = sshConfig, config.contains(where: \.isWhitespace) {
      throw TregError.usage("--ssh-config \(config): mpirun takes no path with blanks in it")
    }
    if isDebug, batch.isAsked { throw TregError.usage("--debug and --slurm exclude each other") }
    if hostfile != nil, batch.isAsked {
      throw TregError.usage("--hostfile and --slurm exclude each other: Slurm chooses the hosts")
    }
    if !batch.isAsked, let flag = batch.strayFlag { throw TregError.usage("\(flag) goes with --slurm") }
  }

  /// The hosts that take part: all of the hostfile's, or the first `--nnodes` of them; nil without a hostfile.
  ///
  /// - Throws: ``TregError``: 66 when the hostfile is missing, 78 when it is damaged or names fewer hosts than
  ///   `--nnodes`, 64 for a number of nodes without hosts.
  package func hosts(in allocation: Allocation? = nil) throws -> Hostfile? {
    guard let hostfile else {
      let most = allocation?.nodes ?? 1
      guard (nodes ?? 1) <= most else {
        throw allocation == nil
          ? TregError.usage("--nnodes \(nodes!) needs --hostfile FILE, which names them")
          : TregError.configuration(at: "--nnodes \(nodes!)", "Slurm's job \(allocation!.job) has \(most) nodes")
      }
      return nil
    }
    let file = try Hostfile(hostfile)
    guard let nodes, nodes != file.hosts.count else { return file }
    guard nodes < file.hosts.count else {
      throw TregError.configuration(at: hostfile, "names \(file.hosts.count) hosts, --nnodes asks for \(nodes)")
    }
    return file.keeping(file.names.prefix(nodes), path: hostfile)
  }
}

/// What goes to sbatch.
package struct BatchOptions: Sendable, Equatable {
  /// Whether `--slurm` was given: a batch script is to be written and submitted.
  package var isAsked = false
  package var partition: String?
  package var account: String?
  package var time: String?
  /// Whether the launcher waits for the job's end.
  package var waits = false
  /// Further arguments of sbatch, as they are.
  package var more: [String] = []

  package init() {}

  fileprivate var strayFlag: String? {
    if partition != nil { return "--partition" }
    if account != nil { return "--account" }
    if time != nil { return "--time" }
    if waits { return "--wait" }
    return more.isEmpty ? nil : "what stands after --"
  }
}
