import Glibc
import RunFolder
import Subprocess

/// The programs that the launcher starts, found on this machine.
package enum Programs {
  /// The worker: beside the launcher, or else in the search path.
  ///
  /// - Throws: ``TregError`` 69 when it is nowhere.
  package static func worker() throws -> String {
    if let own = launcher() {
      let beside = FileSystem.join(FileSystem.parent(of: own), "treg")
      if access(beside, X_OK) == 0 { return beside }
    }
    guard let found = find("treg") else {
      throw TregError(.unavailable, "the worker treg is neither beside treg-launch nor in the search path")
    }
    return found
  }

  /// mpirun or mpiexec of the search path and whose it is; nil when there is none.
  ///
  /// - Throws: ``TregError`` 69 when it is there but says neither Open MPI nor Hydra (MPICH).
  package static func starter() async throws -> (path: String, LaunchPlan.Flavour)? {
    guard let path = find("mpirun") ?? find("mpiexec") else { return nil }
    let result = try await run(
      .path(.init(path)), arguments: ["--version"], output: .string(limit: 1 << 16), error: .discarded)
    let text = result.standardOutput
    if text.contains("Open MPI") || text.contains("OpenRTE") { return (path, .openMPI) }
    if text.contains("HYDRA") { return (path, .mpich) }
    throw TregError(.unavailable, at: path, "is neither Open MPI's nor MPICH's")
  }

  /// The path of the running program itself; nil where the kernel does not tell.
  package static func launcher() -> String? {
    var bytes = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    let count = readlink("/proc/self/exe", &bytes, Int(PATH_MAX))
    return count > 0 ? String(decoding: bytes[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
  }

  /// What starts ranks on the nodes of a Slurm job: srun where it speaks PMIx, else mpirun.
  ///
  /// - Throws: ``TregError`` 69 when neither is there.
  package static func starter(in allocation: Allocation) async throws -> Starter {
    let srun = find("srun")
    if let srun, try await offersPMIx(srun) { return .srun(path: srun) }
    if let (path, flavour) = try await starter() { return .mpirun(path: path, flavour: flavour) }
    throw TregError(
      .unavailable, at: "Slurm job \(allocation.job)",
      srun == nil
        ? "neither srun nor mpirun is in the search path"
        : "srun offers no PMIx (srun --mpi=list) and no mpirun is in the search path; install Slurm's PMIx plugin or Open MPI"
    )
  }

  /// A program of Slurm's.
  ///
  /// - Throws: ``TregError`` 69 when it is not there.
  package static func slurm(_ name: String) throws -> String {
    guard let path = find(name) else {
      throw TregError(
        .unavailable,
        "no Slurm here: \(name) is not in the search path; leave --slurm out, or start this on a login node")
    }
    return path
  }

  /// ssh; nil where there is none.
  package static func ssh() -> String? { find("ssh") }

  /// Whether ranks that srun starts can find each other by PMIx. The list goes to standard error.
  private static func offersPMIx(_ srun: String) async throws -> Bool {
    let result = try await run(
      .path(.init(srun)), arguments: ["--mpi=list"], output: .string(limit: 1 << 16), error: .string(limit: 1 << 16))
    return (result.standardOutput + "\n" + result.standardError).split { $0.isWhitespace || $0 == ":" || $0 == "," }
      .contains { $0 == "pmix" || $0.hasPrefix("pmix_v") }
  }

  private static func find(_ name: String) -> String? {
    guard let search = getenv("PATH") else { return nil }
    return String(cString: search).split(separator: ":").map { FileSystem.join(String($0), name) }
      .first { access($0, X_OK) == 0 && FileSystem.kind(of: $0) == .file }
  }
}
