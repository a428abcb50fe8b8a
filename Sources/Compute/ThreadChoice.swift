import CKernels

/// How many threads a rank uses unless told otherwise.
package enum ThreadChoice {
  /// Cores that the kernel lets this process run on.
  package static var allowedCores: Int { Int(tk_allowed_cores()) }

  /// The cores this process may use, shared with the other ranks of the host when nobody bound them to cores of their own.
  ///
  /// - Parameter environment: Open MPI's, MPICH's or Slurm's variables tell how many ranks the host has.
  package static func automatic(environment: [String: String]) -> Int {
    let names = ["OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "SLURM_NTASKS_PER_NODE"]
    let ranks = names.lazy.compactMap { environment[$0].flatMap(Int.init) }.first ?? 1
    let cores = allowedCores
    return cores < Int(tk_online_cores()) ? cores : max(1, cores / max(1, ranks))
  }
}
