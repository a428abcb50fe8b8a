import ArgumentParser
import Collectives
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
    let rank = RankEnvironment.expectedRank(ProcessInfo.processInfo.environment)
    do {
      var command = try Treg.parseAsRoot()
      try command.run()
    } catch let error as TregError {
      // A mistake that every rank sees is told once.
      exit(rank == 0 ? Console.fail(error).rawValue : error.exitCode.rawValue)
    } catch {
      // Help was asked for, or the command line cannot be understood.
      let code = Treg.exitCode(for: error)
      if rank != 0 { exit(code.rawValue) }
      if code.isSuccess { Treg.exit(withError: error) }
      exit(Console.fail(TregError.usage("\(Treg.message(for: error)); treg --help tells more")).rawValue)
    }
  }
}
