/// d loss / d statistic for every scored token of a response; a list is empty where the statistic is not there.
package struct ResponseCoefficients: Sendable, Equatable {
  /// d loss / d log π(y_t).
  package var logProbs: [Float]
  /// d loss / d KL(π_ref‖π).
  package var referenceDivergence: [Float]
  /// d loss / d KL(π‖π_ref).
  package var policyDivergence: [Float]

  /// Zeros, one for every token and statistic of `response`.
  package init(zerosFor response: ResponseStatistics) {
    let zeros = [Float](repeating: 0, count: response.count)
    logProbs = zeros
    referenceDivergence = response.referenceDivergence == nil ? [] : zeros
    policyDivergence = response.policyDivergence == nil ? [] : zeros
  }
}

/// The coefficients of a pair.
package struct PairCoefficients: Sendable, Equatable {
  package var chosen: ResponseCoefficients
  package var rejected: ResponseCoefficients

  /// Zeros, one for every scored token of `pair`.
  package init(zerosFor pair: PairStatistics) {
    chosen = ResponseCoefficients(zerosFor: pair.chosen)
    rejected = ResponseCoefficients(zerosFor: pair.rejected)
  }

  subscript(side: Side) -> ResponseCoefficients {
    get { side == .chosen ? chosen : rejected }
    _modify {
      if side == .chosen { yield &chosen } else { yield &rejected }
    }
  }
}
