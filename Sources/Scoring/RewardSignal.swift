import Collectives

/// How much the token rewards say: sums over responses, to be added up over ranks before they are read.
package struct RewardSignal: Sendable, Equatable {
  private static let strong: Float = 0.05

  /// Rows, tokens, tokens with |r̂| > 0.05, Σ r̂ and tokens of chosen, the same of rejected, rows whose chosen response
  /// has the larger Σ r̂ (ties ½), the larger mean.
  private var sums = [Double](repeating: 0, count: 9)

  package init() {}

  package mutating func add(_ scores: RowScores) {
    let chosen = scores.chosen.rewards
    let rejected = scores.rejected.rewards
    guard !chosen.isEmpty, !rejected.isEmpty else { return }
    let chosenSum = chosen.reduce(0.0) { $0 + Double($1) }
    let rejectedSum = rejected.reduce(0.0) { $0 + Double($1) }
    sums[0] += 1
    sums[1] += Double(chosen.count + rejected.count)
    sums[2] += Double((chosen + rejected).count { abs($0) > Self.strong })
    sums[3] += chosenSum
    sums[4] += Double(chosen.count)
    sums[5] += rejectedSum
    sums[6] += Double(rejected.count)
    sums[7] += Self.wins(chosenSum, rejectedSum)
    sums[8] += Self.wins(chosenSum / Double(chosen.count), rejectedSum / Double(rejected.count))
  }

  private static func wins(_ mine: Double, _ theirs: Double) -> Double {
    mine > theirs ? 1 : mine == theirs ? 0.5 : 0
  }

  /// Adds up over ranks; collective.
  package mutating func combine(_ communicator: Communicator) throws { try communicator.sum(&sums) }

  package var rowCount: Int { Int(sums[0]) }
  package var tokenCount: Int { Int(sums[1]) }
  /// Share of tokens with |r̂| > 0.05.
  package var strongShare: Double { sums[2] / max(sums[1], 1) }
  package var meanChosen: Double { sums[3] / max(sums[4], 1) }
  package var meanRejected: Double { sums[5] / max(sums[6], 1) }
  /// Share of rows in which Σ r̂ of the chosen response is the larger.
  package var sumAccuracy: Double { sums[7] / max(sums[0], 1) }
  /// Share of rows in which the mean r̂ of the chosen response is the larger.
  package var meanAccuracy: Double { sums[8] / max(sums[0], 1) }
}
