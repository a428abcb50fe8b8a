import RunFolder

/// What the environment of a process says about ranks: whether somebody started several, by which protocol, and which
/// one this is.
///
/// - Open MPI's `mpirun` sets `OMPI_COMM_WORLD_SIZE`; MPICH's `mpirun` and Slurm's pmi2 set `PMI_RANK` and `PMI_SIZE`;
///   Slurm with `--mpi=pmix` sets `PMIX_RANK` and `PMIX_NAMESPACE`.
/// - A Slurm step without any of those cannot form an MPI world. With one task it is an ordinary process. With several
///   tasks every one would train on its own, which is refused.
/// - A batch script, or a shell in an allocation, is one process and may run solo.
package struct RankEnvironment: Equatable, Sendable {
  /// How the ranks were started, which decides the MPI that fits.
  package enum Launcher: Equatable, Sendable { case openMPI, pmi, pmix }

  /// nil: nobody started ranks, the process is solo.
  package let launcher: Launcher?
  /// Ranks that the environment promises; nil when it does not say.
  package let expectedSize: Int?

  /// - Parameters:
  ///   - isShardJob: the process works on a named shard of the data on its own, so several tasks of one Slurm step do
  ///     not disturb each other.
  /// - Throws: 78 for several Slurm tasks without PMIx or PMI, and for variables that are not numbers.
  package init(_ environment: [String: String], isShardJob: Bool = false) throws(TregError) {
    let step = try Self.slurmStep(environment)
    if environment["OMPI_COMM_WORLD_SIZE"] != nil {
      launcher = .openMPI
      expectedSize = try Self.count("OMPI_COMM_WORLD_SIZE", in: environment)
    } else if environment["PMI_SIZE"] != nil || environment["PMI_RANK"] != nil {
      launcher = .pmi
      expectedSize = try Self.count("PMI_SIZE", in: environment) ?? step?.tasks
    } else if environment["PMIX_RANK"] != nil || environment["PMIX_NAMESPACE"] != nil {
      launcher = .pmix
      expectedSize = step?.tasks
    } else {
      if let step, step.tasks > 1, !isShardJob {
        throw .configuration(
          at: "Slurm step \(step.name)",
          "\(step.tasks) tasks were started without PMIx, so each would train on its own: add --mpi=pmix to srun "
            + "(reward generation by shards needs --shard instead)")
      }
      launcher = nil
      expectedSize = nil
    }
  }

  /// The rank that the environment gives this process, 0 when it gives none: who speaks before MPI is up.
  package static func expectedRank(_ environment: [String: String], isShardJob: Bool = false) -> Int {
    var names = ["OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"]
    if !isShardJob { names.append("SLURM_PROCID") }
    for name in names {
      if let rank = environment[name].flatMap(Int.init), rank >= 0 { return rank }
    }
    return 0
  }

  /// Whether the ranks' launcher ends all of them when one fails: `mpirun` does, `srun` only when told to.
  package static func endsTogether(_ environment: [String: String]) -> Bool {
    environment["OMPI_COMM_WORLD_RANK"] != nil || (environment["PMI_RANK"] != nil && environment["SLURM_PROCID"] == nil)
  }

  /// Step ids that Slurm gives to what is no parallel step: batch script, external and interactive steps.
  private static let ordinarySteps: Set<String> = [
    "batch", "extern", "interactive", "4294967291", "4294967292", "4294967290",
  ]

  /// The parallel step that this process is a task of, and its number of tasks.
  private static func slurmStep(_ environment: [String: String]) throws(TregError) -> (name: String, tasks: Int)? {
    guard let step = environment["SLURM_STEP_ID"] ?? environment["SLURM_STEPID"], !ordinarySteps.contains(step),
      environment["SLURM_PROCID"] != nil
    else { return nil }
    // The job's number of tasks may be larger than the step's, which is the one that counts.
    let ofJob = try count("SLURM_NTASKS", in: environment)
    guard let tasks = try count("SLURM_STEP_NUM_TASKS", in: environment) ?? ofJob else { return nil }
    return ("\(environment["SLURM_JOB_ID"].map { "\($0)." } ?? "")\(step)", tasks)
  }

  private static func count(_ name: String, in environment: [String: String]) throws(TregError) -> Int? {
    guard let text = environment[name] else { return nil }
    guard let value = Int(text), value > 0 else {
      throw .configuration(at: name, "expected a number of ranks, found \"\(text)\"")
    }
    return value
  }
}
