import RunFolder

/// The launcher's own flags, and the words that go to every rank.
package struct LaunchOptions: Sendable, Equatable {
  package var ranksPerNode: Int?
  package var threads: Int?
  package var nodes: Int?
  package var hostfile: String?
  package var isDebug: Bool
  package var isDryRun: Bool
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

  /// Nodes of the job: those of the hostfile unless a number is given, else this machine alone.
  ///
  /// - Throws: ``TregError``: 66 when the hostfile is missing, 78 when it names fewer hosts than `--nnodes`, 64 for a
  ///   number of nodes without hosts.
  func nodeCount() throws -> Int {
    guard let hostfile else {
      guard (nodes ?? 1) == 1 else {
        throw TregError.usage("--nnodes \(nodes!) needs --hostfile FILE, which names them")
      }
      return 1
    }
    let hosts = try FileSystem.readText(hostfile, maximumCount: 1 << 24).split(separator: "\n")
      .compactMap { $0.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace).first }
    let count = Set(hosts).count
    guard count > 0 else {
      throw TregError.configuration(at: hostfile, "expected a host name in each line, found none")
    }
    guard (nodes ?? count) <= count else {
      throw TregError.configuration(at: hostfile, "names \(count) hosts, --nnodes asks for \(nodes!)")
    }
    return nodes ?? count
  }
}
