import Collectives
import Compute
import RunFolder

extension Arithmetic {
  /// Collective: refuses ranks that round differently.
  ///
  /// - Throws: 76 with the first rank that is of another kind than rank 0.
  static func requireEqual(on communicator: Communicator) throws {
    let all = try communicator.allGather(bytes: Array("\(communicator.hostName)\n\(kind)".utf8)).map {
      String(decoding: $0, as: UTF8.self).split(separator: "\n", maxSplits: 1)
    }
    guard let rank = all.firstIndex(where: { $0[1] != all[0][1] }) else { return }
    throw TregError(
      .ranksDisagree, at: "reproducible",
      "rank \(rank) (\(all[rank][0])) computes with \(all[rank][1]), rank 0 (\(all[0][0])) with \(all[0][1]); "
        + "they would not give the same bits",
      isOnAllRanks: true)
  }
}
