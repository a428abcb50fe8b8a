import Collectives
import Foundation
import RunFolder

/// Started by the tests, alone or with mpirun:
///
///     collectives-check verify [piece bytes]     every operation against locally computed truth
///     collectives-check connect                  rank, size and MPI; or the error with its exit code
///     collectives-check fail                     an error that MPI itself reports, as users would read it
///     collectives-check abort                    the last rank ends all with 75 while the others wait
///     collectives-check speed [MiB]              seconds and bytes/s over a buffer of fp32
///     collectives-check large                    more than 2³¹ bytes in one call (5 GiB of memory a rank)
@main
struct CollectivesCheck {
  static func main() {
    let arguments = CommandLine.arguments.dropFirst()
    let mode = arguments.first ?? "verify"
    let number = arguments.dropFirst().first.flatMap(Int.init)
    do {
      let pieceBytes = mode == "verify" ? number : nil
      let ranks = try Communicator.connect(
        environment: ProcessInfo.processInfo.environment,
        pieceBytes: pieceBytes ?? Communicator.defaultPieceBytes)
      switch mode {
      case "verify": try verify(ranks, pieceBytes: pieceBytes ?? Communicator.defaultPieceBytes)
      case "connect": print("rank \(ranks.rank) of \(ranks.size) on \(ranks.hostName), \(ranks.implementation)")
      case "fail": try failInsideMPI(ranks)
      case "abort": try abortFromLastRank(ranks)
      case "speed": try measureSpeed(ranks, mebibytes: number ?? 512)
      case "large": try checkLargeCounts(ranks)
      default: throw TregError.usage("unknown mode \(mode)")
      }
      try ranks.finalize()
    } catch let error as TregError {
      FileHandle.standardError.write(Data("collectives-check: \(error)\n".utf8))
      exit(error.exitCode.rawValue)
    } catch {
      fatalError("\(error)")
    }
  }

  /// Runs all checks; any failure on any rank ends with an error on all of them.
  static func verify(_ ranks: Communicator, pieceBytes: Int) throws {
    var checks = Checks(ranks, pieceBytes: pieceBytes)
    try checks.reductions()
    try checks.repeatability()
    try checks.pendingSums()
    try checks.shards()
    try checks.trees()
    try checks.streams()
    try checks.broadcasts()
    try checks.exchanges()
    try ranks.barrier()
    var failures = checks.failures
    try ranks.sum(&failures)
    guard failures == 0 else { throw TregError(.bug, "\(failures) checks failed") }
    if ranks.rank == 0 {
      print("passed \(checks.count) checks on \(ranks.size) ranks, \(ranks.implementation)")
    }
  }

  /// A root that does not exist, past the preconditions of `Communicator`.
  static func failInsideMPI(_ ranks: Communicator) throws {
    let environment = ProcessInfo.processInfo.environment
    guard let launcher = try RankEnvironment(environment).launcher else { throw TregError.usage("start it by mpirun") }
    let library = try MPILibrary.load(
      try MPIKind.candidates(for: launcher, environment: environment), environment: environment)
    var value: Int64 = 1
    try library.call(at: "rank \(ranks.rank)") { table, error in table.broadcast(&value, 8, 12345, 8, error) }
  }

  static func abortFromLastRank(_ ranks: Communicator) throws {
    if ranks.rank == ranks.size - 1 { ranks.abort(.preempted) }
    // Never comes true: the last rank does not take part.
    try ranks.barrier()
  }
}
