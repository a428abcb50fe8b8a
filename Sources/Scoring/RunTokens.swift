import PreferenceData
import RunFolder

/// The pairs of a run's files, and what reading them came to.
package struct RunTokens: Sendable {
  package let tokens: TokenizedPairs
  /// The files that were read, in their order.
  package let paths: [String]

  package var pairs: PairList { tokens.pairs }

  /// One line for people: rows read, truncated, repaired, refused.
  package var summary: String {
    let totals = tokens.totals
    var line =
      "\(tokens.readCount) rows read, \(totals.pairs) used, \(totals.tokens) tokens with shared prompts; "
      + "truncated: \(totals.truncatedPrompts) prompts, \(totals.truncatedChosen + totals.truncatedRejected) responses; "
    if !totals.repairs.isEmpty {
      line += "repaired: \(totals.repairs.map { "\($0.name) \($0.count)" }.joined(separator: ", ")); "
    }
    line += "refused: \(tokens.skipped.count)"
    if let reason = tokens.skipped.reasons.first { line += " (first: \(reason))" }
    return line
  }
}

extension RunTokens {
  /// Reads and tokenises preference files, or finds their tokens in the cache.
  ///
  /// - Parameters:
  ///   - names: files, patterns, folders or data sets, as ``DataFiles`` finds them.
  ///   - split: of folders and data sets; nil: `train`, or their only one.
  ///   - environment: where the caches are looked up.
  ///   - note: is told how far it is, every 100,000 rows.
  package static func read(
    _ names: [String], split: String? = nil, tokenizer: PairTokenizer, skippingBadRows: Bool, threads: Int,
    environment: [String: String], note: ((String) -> Void)? = nil
  ) throws -> RunTokens {
    let paths = try DataFiles(split: split, environment: environment).find(names)
    var told = 0
    let tokens = try TokenCache(environment: environment).pairs(
      of: paths, tokenizer: tokenizer, badRows: skippingBadRows ? .skip : .error, threads: threads
    ) { count in
      guard count / 100_000 > told else { return }
      told = count / 100_000
      note?("tokenising: \(count) rows")
    }
    return RunTokens(tokens: tokens, paths: paths)
  }
}
