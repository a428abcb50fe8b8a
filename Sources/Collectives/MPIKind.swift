import RunFolder

/// The MPIs whose binary interfaces differ; each has a shim of its own.
package enum MPIKind: String, CaseIterable, Sendable {
  case openMPI = "openmpi"
  case mpich = "mpich"

  /// File name of the shim.
  package var shimName: String { "libcmpi-\(rawValue).so" }

  /// The development package on Debian and Ubuntu.
  package var debianPackage: String {
    switch self {
    case .openMPI: "libopenmpi-dev"
    case .mpich: "libmpich-dev"
    }
  }

  /// MPIs to try, best first, for ranks started in this way. `TREG_MPI` leaves only the one it names.
  ///
  /// PMIx serves both, Open MPI more often; PMI is spoken by MPICH and its relatives alone.
  package static func candidates(
    for launcher: RankEnvironment.Launcher, environment: [String: String]
  ) throws(TregError) -> [MPIKind] {
    if let name = environment["TREG_MPI"], !name.isEmpty {
      guard let kind = MPIKind(rawValue: name) else {
        throw .configuration(at: "TREG_MPI", "expected openmpi or mpich, found \"\(name)\"")
      }
      return [kind]
    }
    switch launcher {
    case .openMPI: return [.openMPI]
    case .pmi: return [.mpich]
    case .pmix: return [.openMPI, .mpich]
    }
  }
}
