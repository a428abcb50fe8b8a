import RunFolder

/// Which program starts how many ranks with how many threads, and where they run.
package struct LaunchPlan: Sendable, Equatable {
  package enum Flavour: Sendable, Equatable {
    case openMPI, mpich
  }

  package let nodes: Int
  package let ranksPerNode: Int
  package let threads: Int
  /// Whether each rank has cores of its own. Not so when there are fewer cores than threads.
  package let isBound: Bool
  /// The program and its arguments.
  package let command: [String]
  /// Variables that every rank needs.
  package let environment: [String: String]

  package var ranks: Int { nodes * ranksPerNode }

  /// The name under which workers are told how many ranks were started, so that they can check it.
  package static let expectedRanks = "TREG_EXPECTED_RANKS"

  /// The plan for this machine, which stands for the others of the job.
  ///
  /// Unless told otherwise there is one rank per NUMA node, since memory of another node is slow, and the cores are
  /// divided among the ranks.
  ///
  /// - Parameters:
  ///   - worker: the path of the worker.
  ///   - starter: the path of mpirun and whose it is; not needed for `--debug`.
  /// - Throws: ``TregError``: 64 for numbers below 1, 69 without any MPI, 66 and 78 for a bad hostfile.
  package init(_ options: LaunchOptions, on topology: Topology, worker: String, starter: (path: String, Flavour)?)
    throws
  {
    for (flag, value) in [
      ("--nproc-per-node", options.ranksPerNode), ("--threads", options.threads), ("--nnodes", options.nodes),
    ] {
      guard (value ?? 1) >= 1 else {
        throw TregError.usage("\(flag): expected a whole number above 0, found \(value!)")
      }
    }
    let cores = topology.usableCores
    nodes = options.isDebug ? 1 : try options.nodeCount()
    if options.isDebug {
      ranksPerNode = 1
    } else if let ranks = options.ranksPerNode {
      ranksPerNode = ranks
    } else if let threads = options.threads {
      ranksPerNode = max(1, min(topology.nodeCount, cores / threads))
    } else {
      ranksPerNode = min(topology.nodeCount, cores)
    }
    threads = options.threads ?? max(1, cores / ranksPerNode)
    isBound = !options.isDebug && ranksPerNode * threads <= cores && cores == topology.cores.count

    let workerCommand = [worker] + options.arguments + ["--threads", String(threads)]
    if options.isDebug {
      environment = [:]
      command = workerCommand
      return
    }
    guard let (path, flavour) = starter else {
      throw TregError(
        .unavailable,
        "no mpirun was found; install Open MPI (Debian: openmpi-bin) or MPICH, or add --debug for one rank")
    }
    environment = [Self.expectedRanks: String(nodes * ranksPerNode)]
    switch flavour {
    case .openMPI:
      var words = [path, "--quiet", "-np", String(nodes * ranksPerNode)]
      if let hostfile = options.hostfile { words += ["--hostfile", hostfile] }
      words += ["--map-by", "ppr:\(ranksPerNode):node" + (isBound ? ":PE=\(threads)" : ":OVERSUBSCRIBE")]
      words += ["--bind-to", isBound ? "core" : "none", "-x", Self.expectedRanks]
      command = words + workerCommand
    case .mpich:
      var words = [path, "-n", String(nodes * ranksPerNode), "-ppn", String(ranksPerNode)]
      if let hostfile = options.hostfile { words += ["-f", hostfile] }
      words += ["-bind-to", isBound ? "core:\(threads)" : "none"]
      words += ["-genv", Self.expectedRanks, String(nodes * ranksPerNode)]
      command = words + workerCommand
    }
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
    return [machine, layout, "command   \(commandLine)"]
  }

  /// The command as a shell reads it.
  package var commandLine: String { command.map(Self.quoted).joined(separator: " ") }

  private static func quoted(_ word: String) -> String {
    let isSafe =
      !word.isEmpty
      && word.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "-_./:=,+@%".utf8.contains(byte)
        }
      }
    return isSafe ? word : "'" + word.replacing("'", with: "'\\''") + "'"
  }
}
