import PreferenceData

/// The pairs of a run's files, and what reading them left out.
package struct RunTokens: Sendable {
  package let rows: PreferenceRows
  package let tokens: TokenizedPairs

  package var pairs: [TokenizedPair] { tokens.pairs }

  /// One line for people: rows read, truncated, refused.
  package var summary: String {
    let refused = rows.skipped.count + tokens.skipped.count
    let total = pairs.reduce(0) { $0 + $1.tokenCount }
    var line =
      "\(rows.readCount) rows read, \(pairs.count) used, \(total) tokens with shared prompts; "
      + "truncated: \(tokens.truncatedPromptCount) prompts, \(tokens.truncatedResponseCount) responses; refused: \(refused)"
    if let reason = (rows.skipped.reasons + tokens.skipped.reasons).first { line += " (first: \(reason))" }
    return line
  }
}

extension RunTokens {
  /// Reads and tokenises preference files.
  package static func read(
    _ files: [String], tokenizer: PairTokenizer, skippingBadRows: Bool, threads: Int
  ) throws -> RunTokens {
    let badRows: BadRows = skippingBadRows ? .skip : .error
    let rows = try PreferenceFile.read(files, badRows: badRows)
    let pairs = try tokenizer.tokenize(rows.rows, badRows: badRows, threads: threads)
    return RunTokens(rows: rows, tokens: pairs)
  }
}
