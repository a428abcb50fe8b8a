import Objectives
import Transformer

extension StatisticRequest {
  /// What the model is asked of every target for an objective's sake.
  init(_ needs: Needs) {
    self = []
    if needs.contains(.logSquares) { insert(.logSquares) }
    if needs.contains(.referenceDivergence) { insert(.referenceDivergence) }
    if needs.contains(.policyDivergence) { insert(.policyDivergence) }
  }
}

extension TargetStatistics {
  /// The statistics of one response's targets.
  subscript(targets: Range<Int>) -> ResponseStatistics {
    ResponseStatistics(
      logProbs: Array(logProbs[targets]), logSquares: logSquares.map { Array($0[targets]) },
      referenceDivergence: referenceDivergence.map { Array($0[targets]) },
      policyDivergence: policyDivergence.map { Array($0[targets]) })
  }
}

extension TargetCoefficients {
  /// Zeros for every statistic that has a gradient; weights of pairs have none.
  init(zerosFor statistics: TargetStatistics) {
    let zeros = [Float](repeating: 0, count: statistics.logProbs.count)
    self.init(
      logProbs: zeros, referenceDivergence: statistics.referenceDivergence == nil ? nil : zeros,
      policyDivergence: statistics.policyDivergence == nil ? nil : zeros)
  }

  /// Puts a response's coefficients where its targets stand.
  mutating func set(_ targets: Range<Int>, _ response: ResponseCoefficients) {
    logProbs.replaceSubrange(targets, with: response.logProbs)
    referenceDivergence?.replaceSubrange(targets, with: response.referenceDivergence)
    policyDivergence?.replaceSubrange(targets, with: response.policyDivergence)
  }
}
