import Collectives
import RunFolder

/// Which batch a rank believes to be computing.
package struct BatchIdentity: Sendable, Equatable {
  /// From 1.
  package let step: Int
  package let count: Int
  /// Of the rows of the whole batch, in order.
  package let rowHash: UInt64

  package init(step: Int, rows: [Int]) {
    self.step = step
    count = rows.count
    rowHash = rows.withUnsafeBytes { ContentHash.quick($0) }
  }

  /// One number that differs when any of it does.
  var number: Int64 {
    let parts = [UInt64(step), UInt64(count), rowHash]
    return Int64(bitPattern: parts.withUnsafeBytes { ContentHash.quick($0) })
  }

  fileprivate var text: String { "at step \(step) with \(count) pairs (\(String(rowHash, radix: 16)))" }
}

/// The vote that ranks hold before any of them changes a weight: whether all are at the same step of the same rows, and
/// whether one has a reason to skip it. A single collective of three numbers.
enum StepVote {
  /// Collective: the strongest reason that any rank has.
  ///
  /// - Throws: 76 on all ranks, naming those that are elsewhere.
  static func hold(
    _ own: StepGuard.Reason?, _ batch: BatchIdentity?, _ communicator: Communicator
  ) throws -> StepGuard.Reason? {
    let number = batch?.number ?? 0
    // The greatest of all and, inverted, the least.
    var votes = [number, ~number, Int64(own?.rawValue ?? 0)]
    try communicator.maximum(&votes)
    guard votes[0] == ~votes[1] else { throw try difference(batch, communicator) }
    return StepGuard.Reason(rawValue: Int(votes[2]))
  }

  private static func difference(_ batch: BatchIdentity?, _ communicator: Communicator) throws -> TregError {
    let texts = try communicator.gatherTexts(batch?.text ?? "at no step")
    let hosts = try communicator.gatherTexts(communicator.hostName)
    let odd = Minority.of(texts)
    let reference = texts.indices.first { !odd.contains($0) } ?? 0
    let rank = odd.first { $0 != reference } ?? odd[0]
    return TregError(
      .ranksDisagree,
      "ranks disagree: rank \(rank) (\(hosts[rank])) is \(texts[rank]), rank \(reference) (\(hosts[reference])) "
        + "\(texts[reference]); no weight was changed",
      isOnAllRanks: true, culprit: TregError.Culprit(rank: rank, host: hosts[rank]))
  }
}

/// Who is not of one mind with the most.
enum Minority {
  /// The indices of values that differ from what more than half of them are; all indices where there is no such value.
  static func of(_ values: [some Hashable]) -> [Int] {
    var counts: [AnyHashable: Int] = [:]
    for value in values { counts[value, default: 0] += 1 }
    guard let (most, count) = counts.max(by: { $0.value < $1.value }), 2 * count > values.count else {
      return Array(values.indices)
    }
    return values.indices.filter { AnyHashable(values[$0]) != most }
  }
}

extension Communicator {
  /// Collective: every rank's text, by rank.
  func gatherTexts(_ text: String) throws -> [String] {
    try allGather(bytes: Array(text.utf8)).map { String(decoding: $0, as: UTF8.self) }
  }
}
