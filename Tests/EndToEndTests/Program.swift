import Foundation

/// What a program left behind.
struct Outcome {
  let exitCode: Int32
  let output: String
  let errors: String

  /// The lines that `treg` itself says about a failure; `mpirun` adds its own around them.
  var complaints: [String] {
    errors.split(separator: "\n").filter { $0.hasPrefix("treg:") }.map(String.init)
  }
}

/// A program under way, in an environment that knows nothing of ranks that the tests themselves may run under.
///
/// What it prints goes to files, so that no pipe can fill up. It is killed, by its number, when its time is over.
final class Program {
  /// The worker, which the build puts beside the tests.
  static let treg: String = {
    let tests = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    return tests.deletingLastPathComponent().appendingPathComponent("treg").path
  }()

  private let process = Process()
  private let scratch: Scratch

  var processIdentifier: Int32 { process.processIdentifier }
  var isRunning: Bool { process.isRunning }

  init(_ arguments: [String], environment changes: [String: String?] = [:]) throws {
    scratch = try Scratch()
    var environment = ProcessInfo.processInfo.environment
    for name in environment.keys where ["OMPI_", "PMI", "SLURM_", "TREG_"].contains(where: name.hasPrefix) {
      environment[name] = nil
    }
    // Open MPI refuses to start ranks for root, whom containers run as, without both.
    environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
    environment["TREG_CACHE"] = "off"
    environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    for (name, value) in changes { environment[name] = value }
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    process.environment = environment
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try scratch.create("stdout")
    process.standardError = try scratch.create("stderr")
    // Threads of Swift's pool block signals, which a child inherits: mpirun would then pass none on.
    var (none, before) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    try process.run()
  }

  /// Waits for the end; 124 when it had to be killed.
  func wait(seconds: Double = 60) throws -> Outcome {
    let end = Date(timeIntervalSinceNow: seconds)
    while process.isRunning, Date() < end { usleep(2000) }
    let isLate = process.isRunning
    if isLate {
      // mpirun takes its ranks along when it is asked first.
      kill(processIdentifier, SIGTERM)
      usleep(1_000_000)
      if process.isRunning { kill(processIdentifier, SIGKILL) }
    }
    process.waitUntilExit()
    return Outcome(
      exitCode: isLate
        ? 124
        : process.terminationReason == .uncaughtSignal ? 128 + process.terminationStatus : process.terminationStatus,
      output: try scratch.text("stdout"), errors: try scratch.text("stderr"))
  }

  /// What it has said so far.
  func errors() throws -> String { try scratch.text("stderr") }

  func signal(_ number: Int32) { kill(processIdentifier, number) }

  /// Waits until `condition` holds; false when the program ended first, or 30 s went by.
  func reaches(_ condition: () -> Bool) -> Bool {
    let end = Date(timeIntervalSinceNow: 30)
    while Date() < end {
      if condition() { return true }
      if !process.isRunning { return false }
      usleep(1000)
    }
    return false
  }

  static func run(_ arguments: [String], environment: [String: String?] = [:], seconds: Double = 60) throws -> Outcome {
    try Program(arguments, environment: environment).wait(seconds: seconds)
  }

  /// `treg` with some arguments, on some ranks; one rank is solo, without MPI.
  static func treg(
    _ arguments: [String], ranks: Int = 1, environment: [String: String?] = [:], seconds: Double = 60
  ) throws -> Outcome {
    try run((ranks == 1 ? [] : openMPI(ranks)) + [treg] + arguments, environment: environment, seconds: seconds)
  }

  /// Ranks on this machine, more than it has cores if need be, not bound: other work may sit on the first ones.
  static func openMPI(_ ranks: Int) -> [String] { openMPI + ["-np", "\(ranks)"] }
  static let openMPI = ["mpirun.openmpi", "--oversubscribe", "--bind-to", "none"]
  static func mpich(_ ranks: Int) -> [String] { ["mpirun.mpich", "-np", "\(ranks)"] }
}
