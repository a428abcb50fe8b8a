import ArgumentParser
import Collectives
import Configuration
import Foundation
import Reporting
import RunFolder

/// The worker that every rank runs.
struct Treg: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "treg",
    abstract: "Preference optimisation with token-level reward regularisation (T-REG), over MPI ranks on CPUs.",
    subcommands: [
      Train.self, Rewards.self, Evaluate.self, Inspect.self, Convert.self, Bench.self, Doctor.self,
    ])
}

@main
enum Program {
  static func main() {
    // A reader that goes away is an error of write, not a reason to die.
    signal(SIGPIPE, SIG_IGN)
    do {
      var command = try Treg.parseAsRoot(FlagWords.withDashes(Array(CommandLine.arguments.dropFirst())))
      try command.run()
      let code = Console.ending(.done)
      if code != .done { exit(code.rawValue) }
    } catch let error as TregError {
      leave(with: error)
    } catch {
      // Help was asked for, or the command line cannot be understood.
      if !Treg.exitCode(for: error).isSuccess {
        leave(with: .usage("\(Treg.message(for: error)); treg --help tells more"))
      }
      if expectedRank == 0 { Treg.exit(withError: error) }
    }
  }

  private static let environment = ProcessInfo.processInfo.environment
  private static let expectedRank = RankEnvironment.expectedRank(environment)

  /// Ends the process over an error met before the ranks know each other.
  ///
  /// A mistake that every rank sees is told once, by rank 0. The others leave it the time to speak, since `mpirun` ends
  /// all ranks when the first one fails; those still alive after that made the mistake without rank 0, and tell it.
  private static func leave(with error: TregError) -> Never {
    if expectedRank == 0 { exit(Console.fail(error).rawValue) }
    if RankEnvironment.endsTogether(environment) {
      sleep(3)
      Console.note("treg: rank \(expectedRank): \(Console.line(of: error))")
    }
    exit(error.exitCode.rawValue)
  }
}
