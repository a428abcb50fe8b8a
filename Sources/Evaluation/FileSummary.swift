import OrderedJSON
import PreferenceData
import Reporting
import Scoring

/// What a run would make of its files: rows used and refused, what is cut, how long prompts and responses are.
package struct FileSummary: Sendable {
  /// How long something is over all rows.
  struct Lengths {
    let name: String
    /// Ascending.
    let values: [Int]

    /// The nearest rank below.
    func quantile(_ share: Double) -> Int { values[Int(share * Double(values.count - 1))] }
    var mean: Double { Double(values.reduce(0, +)) / Double(values.count) }
  }

  let readCount: Int
  let usedCount: Int
  /// Reasons without places and numbers, the most frequent first.
  let refusals: [(reason: String, count: Int)]
  /// Rows that something was set right in, by what it was.
  let repairs: [(name: String, count: Int)]
  /// `place: reason` of the first refused row.
  let firstRefusal: String?
  let truncatedPrompts: Int
  let truncatedChosen: Int
  let truncatedRejected: Int
  let truncatedRows: Int
  let tokenCount: Int
  let scoredCount: Int
  /// Tokens of the same rows if the prompt stood before each response.
  let unsharedCount: Int
  /// Share of pairs whose chosen response is the longer one; ties count ½.
  let chosenLonger: Double
  let maxLength: Int
  let context: Int
  /// Of the rows that are used, as they are used.
  let lengths: [Lengths]
  /// Prompt with the longer response, before anything is cut.
  let uncut: Lengths

  var refusedCount: Int { readCount - usedCount }

  /// - Parameters:
  ///   - uncut: the rows as they are without limits.
  ///   - context: tokens that the model can take.
  /// - Precondition: at least one pair.
  init(_ data: RunTokens, uncut: PairList, maxLength: Int, context: Int) {
    let pairs = data.pairs.allCounts
    precondition(!pairs.isEmpty && !uncut.isEmpty, "a summary of no pairs")
    readCount = data.tokens.readCount
    usedCount = pairs.count
    refusals = data.tokens.skipped.kinds.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.key, $0.value) }
    firstRefusal = data.tokens.skipped.reasons.first
    repairs = data.tokens.totals.repairs
    truncatedPrompts = data.tokens.totals.truncatedPrompts
    truncatedChosen = data.tokens.totals.truncatedChosen
    truncatedRejected = data.tokens.totals.truncatedRejected
    truncatedRows = pairs.count { !$0.truncation.isEmpty }
    tokenCount = data.tokens.totals.tokens
    scoredCount = pairs.reduce(0) { $0 + $1.scored }
    unsharedCount = tokenCount + pairs.reduce(0) { $0 + $1.prompt }
    let wins = pairs.reduce(0.0) { sum, pair in
      sum + (pair.chosenScored > pair.rejectedScored ? 1 : pair.chosenScored == pair.rejectedScored ? 0.5 : 0)
    }
    chosenLonger = wins / Double(pairs.count)
    self.maxLength = maxLength
    self.context = context
    lengths = [
      Lengths(name: "prompt", values: pairs.map(\.prompt).sorted()),
      Lengths(name: "chosen", values: pairs.map(\.chosenScored).sorted()),
      Lengths(name: "rejected", values: pairs.map(\.rejectedScored).sorted()),
      Lengths(name: "conversation", values: pairs.map(\.longest).sorted()),
    ]
    self.uncut = Lengths(name: "conversation", values: uncut.allCounts.map(\.longest).sorted())
  }

  /// Rows whose prompt with its longer response passes `max_length`, refused ones among them.
  var overlongCount: Int { uncut.values.count { $0 > maxLength } }
}
