import Collectives
import Compute
import Reporting
import RunFolder

/// What this machine and this installation have, as far as training depends on it.
package struct MachineReport {
  private let environment: [String: String]
  private let topology: Topology

  /// Bytes that can be taken without swapping; nil where nobody says.
  package var availableBytes: Int? { topology.availableBytes }

  /// - Throws: 69 when the kernel does not tell which processors are allowed.
  package init(environment: [String: String]) throws {
    self.environment = environment
    topology = try Topology()
  }

  /// Names and findings, a line each.
  package var lines: [(name: String, finding: String)] {
    [
      ("CPU", cpu), ("cores", cores), ("memory", memory), ("BLAS", MatrixMultiply.libraryName),
      ("arithmetic", Arithmetic.kind),
      ("threads", "\(ThreadChoice.automatic(environment: environment)) for a rank unless told otherwise"),
    ]
      + MPIKind.allCases.map { kind in
        (kind == .openMPI ? "Open MPI" : "MPICH", Self.finding(MPIProbe(kind, environment: environment)))
      }
  }

  private var cpu: String {
    // Lines of x86-64 and of other architectures (proc(5)).
    let text = (try? FileSystem.readText("/proc/cpuinfo", maximumCount: 16 << 20)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("model name") || $0.hasPrefix("Model") }
    let name = line?.split(separator: ":").last.map { $0.split(separator: " ").joined(separator: " ") }
    return name ?? "unknown"
  }

  private var cores: String {
    let threads = topology.cores.reduce(0) { $0 + $1.count }
    var text = "\(topology.cores.count) allowed with \(threads) hardware threads"
    if let quota = topology.quota { text += ", time of \(NumberFormat.significant(quota)) granted" }
    return text + ", \(topology.nodeCount) NUMA node" + (topology.nodeCount == 1 ? "" : "s")
  }

  private var memory: String { availableBytes.map { NumberFormat.bytes($0) + " free" } ?? "unknown" }

  private static func finding(_ probe: MPIProbe) -> String {
    switch (probe.path, probe.library) {
    case (let path?, .success(let name)): "\(name), by \(path)"
    case (let path?, .failure(let reason)): "\(path) does not load: \(reason)"
    default: "no shim; install \(probe.kind.debianPackage) and run make (solo runs need none)"
    }
  }
}
