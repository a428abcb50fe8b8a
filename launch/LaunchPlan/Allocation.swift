import RunFolder

/// What Slurm gave to the job that the launcher runs in, by the variables that it sets.
///
/// Source: srun(1) and sbatch(1), "OUTPUT ENVIRONMENT VARIABLES".
package struct Allocation: Sendable, Equatable {
  package let job: String
  package let nodes: Int
  /// `n[1-3]`, as Slurm writes it.
  package let nodeList: String
  /// What the job was submitted with; nil: not said.
  package let tasksPerNode: Int?
  package let cpusPerTask: Int?
  /// Processors of this node that the job has.
  package let cpusOnNode: Int?

  /// nil outside of a job.
  package init?(_ environment: [String: String]) {
    func number(_ name: String) -> Int? { environment[name].flatMap { Int($0) } }
    guard let job = environment["SLURM_JOB_ID"], !job.isEmpty,
      let nodes = number("SLURM_JOB_NUM_NODES") ?? number("SLURM_NNODES"), nodes > 0
    else { return nil }
    self.job = job
    self.nodes = nodes
    nodeList = environment["SLURM_JOB_NODELIST"] ?? environment["SLURM_NODELIST"] ?? ""
    tasksPerNode = number("SLURM_NTASKS_PER_NODE")
    cpusPerTask = number("SLURM_CPUS_PER_TASK")
    cpusOnNode = number("SLURM_CPUS_ON_NODE")
  }
}
