import RunFolder

/// 128 bits that identify a tokenised pair: the same on every rank, for every shard and in every run.
package struct PairKey: Sendable, Hashable, Comparable, CustomStringConvertible {
  package let high: UInt64
  package let low: UInt64

  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  package static func < (left: PairKey, right: PairKey) -> Bool {
    (left.high, left.low) < (right.high, right.low)
  }

  /// 32 hexadecimal digits.
  package var description: String {
    [high, low].map { half in
      let digits = String(half, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
  }
}

/// The tokens of one response, after the prefix that both responses share.
package struct Response: Sendable, Hashable {
  /// Tokens after the shared prefix; the last one is scored.
  package let tokens: [Int32]
  /// The index of the first scored token in `tokens`; those before belong to this side's prompt. Usually 0.
  package let scoredFrom: Int

  /// - Precondition: at least one token is scored.
  package init(tokens: [Int32], scoredFrom: Int = 0) {
    precondition(scoredFrom >= 0 && scoredFrom < tokens.count, "a response has at least one scored token")
    self.tokens = tokens
    self.scoredFrom = scoredFrom
  }

  /// The scored tokens: the response itself, its end-of-turn token included.
  package var scored: ArraySlice<Int32> { tokens[scoredFrom...] }
  package var scoredCount: Int { tokens.count - scoredFrom }
}

/// What `max_length` cut off a pair.
package struct Truncation: OptionSet, Sendable, Hashable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  package static let prompt = Truncation(rawValue: 1)
  package static let chosen = Truncation(rawValue: 2)
  package static let rejected = Truncation(rawValue: 4)
}

/// A preference pair as tokens: a shared prefix from which both responses branch.
package struct TokenizedPair: Sendable, Hashable {
  /// The row as its file states it.
  package let source: PreferenceRow
  /// The longest common token prefix of both conversations before the first scored token; at least one token.
  package let prompt: [Int32]
  package let chosen: Response
  package let rejected: Response
  package let truncation: Truncation
  /// What was set right in the row, or in its tokens.
  package let repairs: Repairs
  /// Hash of row, token ids and scored spans.
  package let key: PairKey

  /// - Parameter key: known already; nil: it is computed.
  /// - Precondition: the prompt is not empty.
  package init(
    source: PreferenceRow, prompt: [Int32], chosen: Response, rejected: Response, truncation: Truncation = [],
    repairs: Repairs = [], key: PairKey? = nil
  ) {
    precondition(!prompt.isEmpty, "a pair has at least one prompt token, which predicts the first response token")
    self.source = source
    self.prompt = prompt
    self.chosen = chosen
    self.rejected = rejected
    self.truncation = truncation
    self.repairs = repairs.union(source.repairs)
    if let key {
      self.key = key
      return
    }
    var hash = ContentHash()
    hash.update(source.row)
    for (tokens, scoredFrom) in [
      (prompt, 0), (chosen.tokens, chosen.scoredFrom), (rejected.tokens, rejected.scoredFrom),
    ] {
      hash.update(tokens.count)
      hash.update(valuesOf: tokens)
      hash.update(scoredFrom)
    }
    self.key = PairKey(high: hash.digest.high, low: hash.digest.low)
  }

  package var counts: PairCounts {
    PairCounts(
      row: row, prompt: prompt.count, chosen: chosen.tokens.count, chosenScoredFrom: chosen.scoredFrom,
      rejected: rejected.tokens.count, rejectedScoredFrom: rejected.scoredFrom, truncation: truncation,
      repairs: repairs, key: key)
  }

  /// Position over all files, from 0.
  package var row: Int { source.row }
  /// Tokens of the packed tree, which is what a pair costs.
  package var tokenCount: Int { prompt.count + chosen.tokens.count + rejected.tokens.count }
  package var scoredCount: Int { chosen.scoredCount + rejected.scoredCount }
}
