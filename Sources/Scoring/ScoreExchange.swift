import Collectives
import RunFolder

/// The scores of rows, divided over ranks by consecutive rows, sent to whichever rank trains on them.
///
/// A rank holds its own part in memory, some 12 bytes a scored token and 344 a row (`scores` of ``MemoryFormula``), and
/// no shared file system is assumed.
package struct ScoreExchange {
  private let communicator: Communicator
  private let rowCount: Int
  private let own: Range<Int>
  private let rows: [RowScores]

  /// - Parameter rows: scores of this rank's part, ``ScoreShard/range(shard:of:rowCount:)``.
  package init(communicator: Communicator, rowCount: Int, rows: [RowScores]) {
    self.communicator = communicator
    self.rowCount = rowCount
    own = ScoreShard.range(shard: communicator.rank, of: communicator.size, rowCount: rowCount)
    precondition(rows.count == own.count, "\(rows.count) rows for \(own)")
    self.rows = rows
  }

  /// Collective: sends each rank the scores it asks for.
  ///
  /// - Parameter consumers: for every rank the rows it trains on, the same on all ranks.
  /// - Returns: the scores of this rank's rows, by row index.
  package func scores(for consumers: [[Int]]) throws -> [Int: RowScores] {
    let withRewards = rows.contains { !$0.chosen.better.isEmpty || !$0.rejected.better.isEmpty }
    let outgoing = consumers.map { wanted in
      // Whether rewards are there travels along, for ranks that own no row themselves.
      [withRewards ? 1 : 0] + ScoreShard.encode(wanted.filter(own.contains).map { rows[$0 - own.lowerBound] })
    }
    let incoming = try communicator.exchange(outgoing)
    var result: [Int: RowScores] = [:]
    for (rank, bytes) in incoming.enumerated() {
      let held = ScoreShard.range(shard: rank, of: communicator.size, rowCount: rowCount)
      let expected = consumers[communicator.rank].filter(held.contains)
      guard let flag = bytes.first,
        let received = ScoreShard.decode(bytes.dropFirst(), count: expected.count, withRewards: flag == 1)
      else { throw TregError(.ranksDisagree, at: "rank \(rank)", "sent scores that do not fit the rows asked for") }
      for (index, scores) in zip(expected, received) { result[index] = scores }
    }
    return result
  }

  /// Collective: a number that identifies the scores of some rows, whatever the number of ranks.
  ///
  /// - Parameter wanted: indices of rows; nil: all.
  package func contentHash(of wanted: Set<Int>?) throws -> String {
    var sum: [Int64] = [0, 0]
    for (index, row) in zip(own, rows) where wanted?.contains(index) ?? true {
      var hash = ContentHash()
      hash.update(ScoreShard.encode([row]))
      sum[0] &+= Int64(bitPattern: hash.digest.high)
      sum[1] &+= Int64(bitPattern: hash.digest.low)
    }
    try communicator.sum(&sum)
    return sum.map { value in
      let digits = String(UInt64(bitPattern: value), radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
  }
}
