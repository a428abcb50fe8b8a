#if canImport(Glibc)
  import Glibc
#endif

/// What the frozen model says about one response: one value per scored token, natural logarithms.
///
/// Where token rewards come from another model (``TokenRewardSource``), `better` holds its log-probs and `worse` those of the
/// reference, so that r̂ = σ(log π_dpo − log π_ref) − ½.
package struct ResponseScores: Sendable, Equatable {
  /// log π_ref(y_t | x, y_<t).
  package var reference: [Float]
  /// log π_ref(y_t | x_better, y_<t); empty when no token rewards were asked for.
  package var better: [Float]
  /// log π_ref(y_t | x_worse, y_<t); empty when no token rewards were asked for.
  package var worse: [Float]

  package init(reference: [Float], better: [Float] = [], worse: [Float] = []) {
    precondition(better.count == worse.count, "\(better.count) better and \(worse.count) worse log-probs")
    precondition(better.isEmpty || better.count == reference.count, "rewards for \(reference.count) tokens")
    self.reference = reference
    self.better = better
    self.worse = worse
  }

  package var count: Int { reference.count }

  /// log p⁺(y_t) − log p⁻(y_t), of which token rewards are made.
  package var logRatios: [Float] { zip(better, worse).map { $0 - $1 } }

  /// Token rewards r̂_t = σ(log π_ref(y_t|x_better) − log π_ref(y_t|x_worse)) − ½, in [−½, ½]
  /// (T-REG, arXiv 2412.02685), computed as ½·tanh of half the difference, which loses nothing near 0.
  package var rewards: [Float] {
    zip(better, worse).map { better, worse in Float(0.5 * tanh(0.5 * (Double(better) - Double(worse)))) }
  }
}

/// What the frozen model says about a row.
package struct RowScores: Sendable, Equatable {
  /// Index of the row in the data.
  package let row: Int
  package let chosen: ResponseScores
  package let rejected: ResponseScores

  package init(row: Int, chosen: ResponseScores, rejected: ResponseScores) {
    self.row = row
    self.chosen = chosen
    self.rejected = rejected
  }

  package var tokenCount: Int { chosen.count + rejected.count }

  /// Stands for a row that was not scored, as nothing asks for it.
  static func none(row: Int) -> RowScores {
    RowScores(row: row, chosen: ResponseScores(reference: []), rejected: ResponseScores(reference: []))
  }
}
