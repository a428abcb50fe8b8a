/// The words before the worker's own, one function for each program that starts ranks.
struct RankStart {
  let nodes, ranksPerNode, threads: Int
  let isBound: Bool
  let isLabelled: Bool
  let hosts: Hostfile?
  /// Whether ranks talk over a network: of a hostfile's hosts or a Slurm job's nodes.
  let isAcrossHosts: Bool
  let interface: String?
  let sshConfig: String?
  /// Variables that are set for ranks.
  let variables: [(key: String, value: String)]
  /// Variables that ranks get as the launcher has them.
  let forwarded: [String]

  private var ranks: Int { nodes * ranksPerNode }

  /// Source: mpirun(1) and `ompi_info --all` of Open MPI 4.1.
  func openMPI(_ path: String) -> [String] {
    var words = [path, isLabelled ? "--tag-output" : "--quiet", "-np", String(ranks)]
    if let hosts { words += ["--hostfile", hosts.path] }
    if isAcrossHosts {
      func set(_ name: String, _ value: String) { words += ["--mca", name, value] }
      if hosts != nil { set("plm_rsh_args", SSH.options(config: sshConfig).joined(separator: " ")) }
      set("btl", "tcp,vader,self")
      if let interface {
        set("btl_tcp_if_include", interface)
        set("oob_tcp_if_include", interface)
      }
      // A link that is cut ends the run after 11 s of silence instead of minutes.
      set("oob_tcp_keepalive_time", "5")
      set("oob_tcp_keepalive_intvl", "2")
      set("oob_tcp_keepalive_probes", "3")
    }
    // Left to itself Open MPI binds a rank to one core, and the first ranks of all jobs to the same one.
    words += ["--map-by", "ppr:\(ranksPerNode):node" + (isBound ? ":PE=\(threads)" : ":OVERSUBSCRIBE")]
    words += ["--bind-to", isBound ? "core" : "none"]
    for variable in variables { words += ["-x", variable.key] }
    if isAcrossHosts { for name in forwarded { words += ["-x", name] } }
    return words
  }

  /// Source: mpiexec(1) of MPICH 4 (Hydra).
  func mpich(_ path: String) -> [String] {
    var words = [path, "-n", String(ranks), "-ppn", String(ranksPerNode)]
    if isLabelled { words.append("-prepend-rank") }
    if let hosts { words += ["-f", hosts.path] }
    if isAcrossHosts, let interface { words += ["-iface", interface] }
    words += ["-bind-to", isBound ? "core:\(threads)" : "none"]
    for variable in variables { words += ["-genv", variable.key, variable.value] }
    // Between hosts by TCP, as with Open MPI. Left to itself UCX (1.13, MPICH 4.0.2) makes MPI_Finalize wait for half a minute.
    if isAcrossHosts, !forwarded.contains("UCX_TLS") { words += ["-genv", "UCX_TLS", "tcp,self"] }
    if isAcrossHosts, !forwarded.isEmpty { words += ["-genvlist", forwarded.joined(separator: ",")] }
    return words
  }

  /// srun passes the environment on. Without `-K1` a rank that is killed would leave the others waiting for ever, and
  /// without `-c` of its own a step would not take the job's number of processors.
  ///
  /// Source: srun(1).
  func srun(_ path: String) -> [String] {
    [path, "--mpi=pmix", "-K1"] + (isLabelled ? ["--label"] : [])
      + [
        "--nodes=\(nodes)", "--ntasks=\(ranks)", "--ntasks-per-node=\(ranksPerNode)", "-c", String(threads),
        "--cpu-bind=\(isBound ? "cores" : "none")",
      ]
  }
}
