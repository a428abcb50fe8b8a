import Glibc
import RunFolder
import Subprocess

/// The programs that the launcher starts, found on this machine.
package enum Programs {
  /// The worker: beside the launcher, or else in the search path.
  ///
  /// - Throws: ``TregError`` 69 when it is nowhere.
  package static func worker() throws -> String {
    var bytes = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    let count = readlink("/proc/self/exe", &bytes, Int(PATH_MAX))
    if count > 0 {
      let own = String(decoding: bytes[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
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

  private static func find(_ name: String) -> String? {
    guard let search = getenv("PATH") else { return nil }
    return String(cString: search).split(separator: ":").map { FileSystem.join(String($0), name) }
      .first { access($0, X_OK) == 0 && FileSystem.kind(of: $0) == .file }
  }
}
