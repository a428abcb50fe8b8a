import Collectives
import Compute
import Foundation
import Reporting
import RunFolder
import Watch

/// Runs collective work and ends the process the way users and schedulers expect.
enum Session {
  /// Joins the ranks, runs `body` and ends the process with its code, watched from beginning to end.
  ///
  /// - Parameter layout: of the run folder, for commands that have one.
  static func run(
    layout: RunLayout?, isShardJob: Bool = false, _ body: (Communicator, [String: String]) throws -> ExitCode
  ) throws -> Never {
    let environment = ProcessInfo.processInfo.environment
    try checkProducts(environment)
    Pulse.enter("joining the ranks")
    try Watchdog.begin(
      environment: environment, rank: RankEnvironment.expectedRank(environment, isShardJob: isShardJob),
      endsWithParent: RankEnvironment(environment, isShardJob: isShardJob).launcher != nil)
    let communicator = try Communicator.connect(environment: environment, isShardJob: isShardJob)
    Watchdog.joined(rank: communicator.rank, size: communicator.size, host: communicator.hostName)
    Pulse.enter("start")
    if let expected = environment["TREG_EXPECTED_RANKS"].flatMap(Int.init), expected != communicator.size {
      throw TregError(.unavailable, "the launcher started \(expected) ranks, \(communicator.size) are here")
    }
    do {
      let code = try body(communicator, environment)
      leave(communicator, code)
    } catch {
      Failure(error, communicator: communicator, layout: layout).end()
    }
  }

  /// Seconds that ranks have to take leave of each other; one that hangs then keeps nobody.
  private static let farewell = 30.0

  /// Ends the process in order, with all others.
  static func leave(_ communicator: Communicator, _ code: ExitCode) -> Never {
    Watchdog.release()
    Watchdog.leave(within: farewell, code)
    // The work is done, and its result is told; MPI's own troubles change nothing any more.
    do { try communicator.finalize() } catch { Console.note("treg: \(Console.line(of: error))") }
    exit(Console.ending(code).rawValue)
  }

  /// A choice of products that could not be followed must not count as none.
  private static func checkProducts(_ environment: [String: String]) throws {
    guard let text = environment["TREG_PRODUCTS"], !text.isEmpty else { return }
    guard let kernels = MatrixMultiply.Kernels(rawValue: text) else {
      throw TregError.configuration(at: "TREG_PRODUCTS", "expected own or blas, found \"\(text)\"")
    }
    guard kernels == MatrixMultiply.kernels else {
      throw TregError.configuration(at: "TREG_PRODUCTS", "this processor cannot run products of \(text)")
    }
  }
}
