import Collectives
import Compute
import Foundation
import Reporting
import RunFolder

/// Runs collective work and ends the process the way users and schedulers expect.
enum Session {
  /// Joins the ranks, runs `body` and ends the process with its code.
  ///
  /// An error that all ranks have is told by rank 0, and all leave in order. An error that only this rank has is told by it,
  /// kept in the run's folder, and ends the other ranks, which would wait for ever.
  static func run(
    layout: RunLayout?, isShardJob: Bool = false, moment: () -> (phase: String, step: Int?) = { ("", nil) },
    _ body: (Communicator, [String: String]) throws -> ExitCode
  ) throws -> Never {
    let environment = ProcessInfo.processInfo.environment
    try checkProducts(environment)
    let communicator = try Communicator.connect(environment: environment, isShardJob: isShardJob)
    if let expected = environment["TREG_EXPECTED_RANKS"].flatMap(Int.init), expected != communicator.size {
      throw TregError(.unavailable, "the launcher started \(expected) ranks, \(communicator.size) are here")
    }
    do {
      let code = try body(communicator, environment)
      try communicator.finalize()
      exit(code.rawValue)
    } catch {
      let known = error as? TregError
      let shared = communicator.size == 1 || known?.isOnAllRanks == true
      var code = known?.exitCode ?? .bug
      if !shared || (communicator.rank == 0 && known?.exitCode == .bug) {
        let (phase, step) = moment()
        let report = ErrorReport(error, rank: communicator.rank, step: step, phase: phase)
        if let layout, FileSystem.kind(of: layout.run) == .folder, (try? report.write(in: layout)) != nil {
          code = Console.fail(report, in: layout)
        } else {
          code = Console.fail(error)
        }
      } else if communicator.rank == 0 {
        code = Console.fail(error)
      }
      if shared {
        try? communicator.finalize()
        exit(code.rawValue)
      }
      communicator.abort(code)
    }
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
