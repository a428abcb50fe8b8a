import Glibc
import RunFolder
import Subprocess

/// Starts a plan's command and stands between it and the user's signals.
package enum Launcher {
  /// Where a program's two outputs go.
  package enum Output {
    /// Where the launcher's go.
    case inherited
    /// To pipes, line by line.
    case lines(output: LinePipe, errors: LinePipe)
  }

  /// Runs the command to its end; its output goes where the launcher's goes.
  ///
  /// Ctrl-C, SIGTERM and SIGUSR1 reach the ranks as SIGUSR1, which mpirun passes on and at which they finish the step
  /// and write a checkpoint; a second Ctrl-C or SIGTERM ends mpirun, which ends them.
  ///
  /// - Parameter guardian: the path of treg-launch, for ``Guard``; nil: what is started may outlive the launcher.
  /// - Returns: the code to end with: that of the first rank that failed; 130 after Ctrl-C; 137 when killed.
  package static func run(_ plan: LaunchPlan, guardian: String? = nil) async throws -> Int32 {
    let signals = ForwardedSignals()
    defer { signals.close() }
    let code = try await run(plan, guardian: guardian, signals: signals, output: .inherited)
    // Ranks hear of Ctrl-C as of SIGUSR1, and those that take no signals end by it.
    let isEnd = code == ExitCode.preempted.rawValue || code == 128 + SIGUSR1
    return signals.wasInterrupted && isEnd ? ExitCode.interrupted.rawValue : code
  }

  /// Runs the command once.
  ///
  /// - Parameter marks: further variables, by which its processes can be told from others.
  /// - Returns: its code, or 128 + n when signal n ended it.
  package static func run(
    _ plan: LaunchPlan, guardian: String?, signals: ForwardedSignals, output: Output, marks: [String: String] = [:]
  ) async throws -> Int32 {
    try refuseRoot(plan)
    return try await run(
      plan.command, environment: plan.environment.merging(marks) { own, _ in own }, guardian: guardian, output: output,
      started: { signals.start($0) }, ended: { signals.finish() })
  }

  /// Runs any command once, in a process group of its own: the terminal's Ctrl-C must not reach mpirun, which would kill
  /// the ranks in the midst.
  ///
  /// - Parameters:
  ///   - input: a descriptor that becomes its standard input; nil: nothing to read.
  ///   - started: receives the number of the process; `ended`: it may belong to another one soon.
  /// - Returns: its code, or 128 + n when signal n ended it.
  package static func run(
    _ command: [String], environment: [String: String], guardian: String?, input: Int32? = nil, output: Output,
    started: @Sendable (pid_t) -> Void, ended: () -> Void = {}
  ) async throws -> Int32 {
    let words = guardian.map { Guard.command(command, launcher: $0) } ?? command
    var platform = PlatformOptions()
    platform.processGroupID = 0
    let configuration = Subprocess.Configuration(
      executable: .path(.init(words[0])), arguments: Arguments(Array(words.dropFirst())),
      environment: .inherit.updating(variables(environment)), platformOptions: platform)
    let (out, errors): (FileDescriptorOutput, FileDescriptorOutput) =
      switch output {
      case .inherited: (.currentStandardOutput, .currentStandardError)
      case .lines(let output, let errors):
        (
          .fileDescriptor(.init(rawValue: output.writer), closeAfterSpawningProcess: true),
          .fileDescriptor(.init(rawValue: errors.writer), closeAfterSpawningProcess: true)
        )
      }
    defer { ended() }
    let status: TerminationStatus
    do {
      if let input {
        status = try await Subprocess.run(
          configuration, input: .fileDescriptor(.init(rawValue: input), closeAfterSpawningProcess: false),
          output: out, error: errors
        ) { started($0.processIdentifier.value) }.terminationStatus
      } else {
        status = try await Subprocess.run(configuration, input: .none, output: out, error: errors) {
          started($0.processIdentifier.value)
        }.terminationStatus
      }
    } catch let error as SubprocessError {
      throw TregError(.unavailable, at: command[0], "cannot be started: \(error)")
    }
    return code(of: status)
  }

  /// Runs the command to its end and takes what it prints; its messages go where the launcher's go.
  static func output(of plan: LaunchPlan) async throws -> (code: Int32, text: String) {
    try refuseRoot(plan)
    do {
      let result = try await Subprocess.run(
        .path(.init(plan.command[0])), arguments: Arguments(Array(plan.command.dropFirst())),
        environment: .inherit.updating(variables(plan.environment)), output: .string(limit: 1 << 24),
        error: .currentStandardError)
      return (code(of: result.terminationStatus), result.standardOutput)
    } catch let error as SubprocessError {
      throw TregError(.unavailable, at: plan.command[0], "cannot be started: \(error)")
    }
  }

  private static func code(of status: TerminationStatus) -> Int32 {
    switch status {
    case .exited(let code): code
    case .signaled(let signal): 128 + signal
    }
  }

  private static func variables(_ values: [String: String]) -> [Environment.Key: String?] {
    var variables: [Environment.Key: String?] = [:]
    for (name, value) in values { variables[Environment.Key(stringLiteral: name)] = value }
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
