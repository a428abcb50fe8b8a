/// What an objective may ask about every scored token, beside the policy's log-probabilities.
package struct Needs: OptionSet, Sendable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Log-probabilities of the reference model.
  package static let reference = Needs(rawValue: 1)
  /// Token rewards r̂ from contrastive prompting.
  package static let rewards = Needs(rawValue: 2)
}

/// The scored tokens of one response, in order; every list has one value per token.
package struct ResponseStatistics: Sendable {
  /// log π(y_t | x, y_<t) of the policy.
  package var logProbs: [Float]
  /// log π_ref(y_t | x, y_<t) of the reference; nil when no objective needs it.
  package var reference: [Float]?
  /// Token rewards r̂_t in [−0.5, 0.5]; nil when no objective needs them.
  package var rewards: [Float]?

  /// - Precondition: at least one token, and lists of equal lengths.
  package init(logProbs: [Float], reference: [Float]? = nil, rewards: [Float]? = nil) {
    precondition(!logProbs.isEmpty, "a response has at least one scored token")
    precondition(reference.map { $0.count == logProbs.count } ?? true, "one reference log-prob per scored token")
    precondition(rewards.map { $0.count == logProbs.count } ?? true, "one reward per scored token")
    self.logProbs = logProbs
    self.reference = reference
    self.rewards = rewards
  }

  package var count: Int { logProbs.count }
}

/// All an objective sees of one preference pair.
package struct PairStatistics: Sendable {
  package var chosen: ResponseStatistics
  package var rejected: ResponseStatistics

  package init(chosen: ResponseStatistics, rejected: ResponseStatistics) {
    self.chosen = chosen
    self.rejected = rejected
  }
}

/// d loss / d log π(y_t) for every scored token of a pair.
package struct PairCoefficients: Sendable, Equatable {
  package var chosen: [Float]
  package var rejected: [Float]

  package init(chosen: [Float], rejected: [Float]) {
    self.chosen = chosen
    self.rejected = rejected
  }

  /// Zeros, one for every scored token of `pair`.
  package init(zerosFor pair: PairStatistics) {
    chosen = [Float](repeating: 0, count: pair.chosen.count)
    rejected = [Float](repeating: 0, count: pair.rejected.count)
  }
}

/// The numbers of one pair that are reported; sums over pairs are the caller's.
package struct PairOutcome: Sendable, Equatable {
  /// The whole loss of the pair, its regularizer included.
  package var loss: Double
  /// The implicit reward of the chosen response: TRL's `rewards/chosen`.
  package var chosenReward: Double
  /// The implicit reward of the rejected response: TRL's `rewards/rejected`.
  package var rejectedReward: Double
  /// w = σ(−z) of the objective's logit z: how far the pair is from being ranked rightly.
  package var weight: Double
  /// α · w · (L_REG(y_w) + L_REG(y_l)): the part of `loss` that token rewards add; 0 without them.
  package var regularizer: Double
}
