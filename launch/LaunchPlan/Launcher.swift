import Glibc
import RunFolder
import Subprocess

/// Starts a plan's command and stands between it and the user's signals.
package enum Launcher {
  /// Runs the command to its end; its output goes where the launcher's goes.
  ///
  /// Ctrl-C, SIGTERM and SIGUSR1 reach the ranks as SIGUSR1, which mpirun passes on and at which they finish the step
  /// and write a checkpoint; a second Ctrl-C or SIGTERM ends mpirun, which ends them.
  ///
  /// - Returns: the code to end with: that of the first rank that failed; 130 after Ctrl-C; 137 when killed.
  package static func run(_ plan: LaunchPlan) async throws -> Int32 {
    try refuseRoot(plan)
    var platform = PlatformOptions()
    // A group of its own: the terminal's Ctrl-C must not reach mpirun, which would kill the ranks in the midst.
    platform.processGroupID = 0
    let signals = ForwardedSignals()
    defer { signals.stop() }
    let result: ExecutionResult<Void, FileDescriptorOutput, FileDescriptorOutput>
    do {
      result = try await Subprocess.run(
        .path(.init(plan.command[0])), arguments: Arguments(Array(plan.command.dropFirst())),
        environment: .inherit.updating(variables(of: plan)), platformOptions: platform, input: .none,
        output: .currentStandardOutput, error: .currentStandardError
      ) { execution in signals.start(execution.processIdentifier.value) }
    } catch let error as SubprocessError {
      throw TregError(.unavailable, at: plan.command[0], "cannot be started: \(error)")
    }
    switch result.terminationStatus {
    case .exited(let code):
      return signals.wasInterrupted && code == ExitCode.preempted.rawValue ? ExitCode.interrupted.rawValue : code
    case .signaled(let signal): return 128 + signal
    }
  }

  /// Runs the command to its end and takes what it prints; its messages go where the launcher's go.
  static func output(of plan: LaunchPlan) async throws -> (code: Int32, text: String) {
    try refuseRoot(plan)
    do {
      let result = try await Subprocess.run(
        .path(.init(plan.command[0])), arguments: Arguments(Array(plan.command.dropFirst())),
        environment: .inherit.updating(variables(of: plan)), output: .string(limit: 1 << 24),
        error: .currentStandardError)
      switch result.terminationStatus {
      case .exited(let code): return (code, result.standardOutput)
      case .signaled(let signal): return (128 + signal, "")
      }
    } catch let error as SubprocessError {
      throw TregError(.unavailable, at: plan.command[0], "cannot be started: \(error)")
    }
  }

  private static func variables(of plan: LaunchPlan) -> [Environment.Key: String?] {
    var variables: [Environment.Key: String?] = [:]
    for (name, value) in plan.environment { variables[Environment.Key(stringLiteral: name)] = value }
    return variables
  }

  /// Becomes the command of a solo rank: signals and the terminal are its own, so that debuggers work.
  ///
  /// - Throws: ``TregError`` 69; returns only by throwing.
  package static func become(_ plan: LaunchPlan) throws -> Never {
    var words: [UnsafeMutablePointer<CChar>?] = plan.command.map { strdup($0) }
    words.append(nil)
    execv(plan.command[0], words)
    throw TregError(.unavailable, at: plan.command[0], "cannot be started: \(String(cString: strerror(errno)))")
  }

  private static func refuseRoot(_ plan: LaunchPlan) throws {
    let consent = ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"]
    guard geteuid() == 0, plan.command.contains("--map-by"), consent.contains(where: { getenv($0) == nil }) else {
      return
    }
    throw TregError(
      .permission,
      "Open MPI does not start ranks for root; use another account, or set \(consent[0])=1 and \(consent[1])=1")
  }
}
