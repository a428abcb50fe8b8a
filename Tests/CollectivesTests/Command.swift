import Foundation

/// A program run to its end, with what it printed and its exit code.
struct Command {
  let output: String
  let exitCode: Int32

  /// Runs a program found on the path, for at most `seconds` (124 after that), with variables added to or taken from
  /// the environment of the tests.
  static func run(
    _ arguments: [String], environment changes: [String: String?] = [:], seconds: Int = 120
  ) throws -> Command {
    var environment = ProcessInfo.processInfo.environment
    // Tests may themselves run under a scheduler; the ranks they start must not believe it.
    for name in environment.keys where ["OMPI_", "PMI", "SLURM_", "TREG_"].contains(where: name.hasPrefix) {
      environment[name] = nil
    }
    // Open MPI refuses to start ranks for root, whom containers run as, without both.
    environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
    environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    for (name, value) in changes { environment[name] = value }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["timeout", "--kill-after=5", "\(seconds)"] + arguments
    process.environment = environment
    process.standardInput = FileHandle.nullDevice
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Command(output: String(decoding: output, as: UTF8.self), exitCode: process.terminationStatus)
  }

  /// The program of checks, which the build puts beside the tests.
  static var check: String {
    let tests = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    return tests.deletingLastPathComponent().appendingPathComponent("collectives-check").path
  }

  /// Ranks on this machine. Not bound to cores: other work may sit on the first ones.
  static func openMPI(_ ranks: Int) -> [String] {
    ["mpirun.openmpi", "--oversubscribe", "--bind-to", "none", "-np", "\(ranks)"]
  }

  static func mpich(_ ranks: Int) -> [String] { ["mpirun.mpich", "-np", "\(ranks)"] }
}
