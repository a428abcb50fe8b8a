import PreferenceData

/// What is done to token rewards before an objective sees them: nothing, or a control that takes their meaning away.
package struct TokenRewardControl: Sendable {
  package enum Kind: Sendable {
    case none
    /// Dealt out anew among the tokens of the same response.
    case shuffled
    /// Signs turned.
    case flipped
    /// Every token gets the mean of its response.
    case constant
  }

  private let kind: Kind
  private let seed: UInt64

  /// - Parameter seed: of the shuffles, which depend on it and on the response alone.
  package init(_ kind: Kind, seed: UInt64 = 0) {
    self.kind = kind
    self.seed = seed
  }

  /// - Parameters:
  ///   - values: one per token of a response.
  ///   - row: the response's row in the data.
  package func apply(_ values: [Float], row: Int, isChosen: Bool) -> [Float] {
    switch kind {
    case .none: return values
    case .flipped: return values.map { -$0 }
    case .constant:
      let mean = values.reduce(0.0) { $0 + Double($1) } / Double(max(values.count, 1))
      return values.map { _ in Float(mean) }
    case .shuffled:
      // A number of the response's own, mixed once more so that neighbours' streams have nothing in common.
      var numbers = SplitMix64(seed: seed &+ UInt64(2 * row + (isChosen ? 0 : 1)))
      var random = SplitMix64(seed: numbers.next())
      var values = values
      for last in values.indices.dropFirst().reversed() { values.swapAt(last, random.next(below: last + 1)) }
      return values
    }
  }
}
