/// What an objective may ask about every scored token, beside the policy's log-probabilities.
package struct Needs: OptionSet, Sendable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Log-probabilities of the reference model.
  package static let reference = Needs(rawValue: 1)
  /// Token rewards r̂ and what they are made from, log p⁺ − log p⁻.
  package static let rewards = Needs(rawValue: 2)
  /// log Σ_v π(v)² of the policy.
  package static let logSquares = Needs(rawValue: 4)
  /// KL(π_ref‖π) over the vocabulary, for which the reference runs beside the policy.
  package static let referenceDivergence = Needs(rawValue: 8)
  /// KL(π‖π_ref) over the vocabulary, likewise.
  package static let policyDivergence = Needs(rawValue: 16)

  /// What the frozen model is asked once, before training.
  package var scores: Needs { intersection([.reference, .rewards]) }
  /// Whether the reference runs beside the policy.
  package var referenceVocabulary: Bool { !isDisjoint(with: [.referenceDivergence, .policyDivergence]) }
}

/// One of a pair's two responses.
package enum Side: Sendable, CaseIterable {
  case chosen, rejected

  /// +1 for chosen, −1 for rejected.
  var sign: Double { self == .chosen ? 1 : -1 }
}

/// The scored tokens of one response, in order; every list has one value per token. Lists that no objective needs are nil.
package struct ResponseStatistics: Sendable {
  /// log π(y_t | x, y_<t) of the policy.
  package var logProbs: [Float]
  /// log π_ref(y_t | x, y_<t) of the reference.
  package var reference: [Float]?
  /// Token rewards r̂_t in [−0.5, 0.5].
  package var rewards: [Float]?
  /// log p⁺(y_t) − log p⁻(y_t), of which r̂_t = σ(·) − ½.
  package var logRatios: [Float]?
  /// log Σ_v π(v | x, y_<t)².
  package var logSquares: [Float]?
  /// KL(π_ref‖π) of the distributions that predict y_t.
  package var referenceDivergence: [Float]?
  /// KL(π‖π_ref) of the distributions that predict y_t.
  package var policyDivergence: [Float]?

  /// - Precondition: at least one token, and lists of equal lengths.
  package init(
    logProbs: [Float], reference: [Float]? = nil, rewards: [Float]? = nil, logRatios: [Float]? = nil,
    logSquares: [Float]? = nil, referenceDivergence: [Float]? = nil, policyDivergence: [Float]? = nil
  ) {
    precondition(!logProbs.isEmpty, "a response has at least one scored token")
    for list in [reference, rewards, logRatios, logSquares, referenceDivergence, policyDivergence] {
      precondition(list.map { $0.count == logProbs.count } ?? true, "one value per scored token")
    }
    self.logProbs = logProbs
    self.reference = reference
    self.rewards = rewards
    self.logRatios = logRatios
    self.logSquares = logSquares
    self.referenceDivergence = referenceDivergence
    self.policyDivergence = policyDivergence
  }

  package var count: Int { logProbs.count }

  /// - Precondition: the objective that asks named `rewards` among its needs.
  var knownRewards: [Float] {
    guard let rewards else { preconditionFailure("this objective needs token rewards") }
    return rewards
  }

  /// Mean of −log π over the tokens.
  var meanNegativeLogProb: Double { -logProbs.reduce(0.0) { $0 + Double($1) } / Double(count) }
}

/// All an objective sees of one preference pair.
package struct PairStatistics: Sendable {
  package var chosen: ResponseStatistics
  package var rejected: ResponseStatistics

  package init(chosen: ResponseStatistics, rejected: ResponseStatistics) {
    self.chosen = chosen
    self.rejected = rejected
  }

  package subscript(side: Side) -> ResponseStatistics { side == .chosen ? chosen : rejected }
}
