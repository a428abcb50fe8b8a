/// A loss of preference pairs: per-token statistics in, loss and one coefficient per token and statistic out.
///
/// Objectives know no model. The coefficients are the exact gradient of the loss by the policy's statistics,
/// weights that the method does not differentiate held constant.
package protocol Objective: Sendable {
  /// The name users select it by, for reports.
  var name: String { get }

  /// The statistics that have to be there beside the policy's log-probabilities.
  var needs: Needs { get }

  /// Whether the outcome's rewards say anything.
  var hasRewards: Bool { get }

  /// The loss of one pair; adds `scale` · d loss / d statistic to every coefficient.
  ///
  /// Sums run in double precision over the tokens in order, so that the result depends on the pair alone.
  ///
  /// - Parameters:
  ///   - scale: what the pair counts in the batch's mean, usually 1 / pairs of the global batch.
  ///     ``PairOutcome`` is not scaled.
  ///   - coefficients: one value per scored token of each response.
  /// - Precondition: `pair` holds what ``needs`` names.
  func evaluate(_ pair: PairStatistics, scale: Double, into coefficients: inout PairCoefficients) -> PairOutcome
}

extension Objective {
  package var hasRewards: Bool { true }

  /// The loss of one pair and its coefficients.
  package func evaluate(_ pair: PairStatistics) -> (outcome: PairOutcome, coefficients: PairCoefficients) {
    var coefficients = PairCoefficients(zerosFor: pair)
    let outcome = evaluate(pair, scale: 1, into: &coefficients)
    return (outcome, coefficients)
  }
}
