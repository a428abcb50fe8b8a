import Foundation
import Scoring
import Testing

@Suite struct TokenRewardTests {
  @Test func rewardsAreSigmoidsLessAHalf() {
    let better: [Float] = [-1, -2, -0.5, -30, -1e-4]
    let worse: [Float] = [-1, -1, -4, -1, -2e-4]
    let scores = ResponseScores(reference: better, better: better, worse: worse)
    for (reward, (better, worse)) in zip(scores.rewards, zip(better, worse)) {
      let truth = 1 / (1 + exp(-(Double(better) - Double(worse)))) - 0.5
      #expect(abs(Double(reward) - truth) < 1e-8)
      #expect(abs(reward) <= 0.5)
    }
  }

  @Test func signalCountsTokensAndRows() {
    func side(_ differences: [Float]) -> ResponseScores {
      ResponseScores(reference: differences, better: differences, worse: differences.map { _ in 0 })
    }
    var signal = RewardSignal()
    signal.add(RowScores(row: 0, chosen: side([1, 0, 0]), rejected: side([0.5])))
    signal.add(RowScores(row: 1, chosen: side([-1]), rejected: side([-1])))
    #expect(signal.rowCount == 2)
    #expect(signal.tokenCount == 6)
    #expect(abs(signal.strongShare - 4.0 / 6) < 1e-12)
    // Row 0: the sum favours chosen (0.23 against 0.12), the mean rejected (0.08 against 0.12); row 1 ties in both.
    #expect(signal.sumAccuracy == 0.75)
    #expect(signal.meanAccuracy == 0.25)
  }
}
