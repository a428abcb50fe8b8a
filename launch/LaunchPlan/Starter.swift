import RunFolder

/// The program that starts ranks, and where it starts them.
package enum Starter: Sendable, Equatable {
  /// mpirun or mpiexec at a path, on this machine, on the hosts of a file, or on the nodes of a Slurm job.
  case mpirun(path: String, flavour: LaunchPlan.Flavour)
  /// srun at a path, which speaks PMIx with the ranks.
  case srun(path: String)

  /// The program by which mpirun starts ranks on another host: mpirun runs the one in its own folder there.
  package var daemon: String? {
    guard case .mpirun(let path, let flavour) = self else { return nil }
    return FileSystem.join(FileSystem.parent(of: path), flavour == .openMPI ? "orted" : "hydra_pmi_proxy")
  }
}
