import RunFolder

/// `max_length` and `max_prompt_length`, in tokens.
///
/// When the prompt with its longer response passes `max_length`, the prompt loses tokens at its left until
/// `max_prompt_length` are left (if it is set), equally for both responses; then each response loses tokens at its right.
/// A response that was cut has no end-of-turn token. Rows that fit are never cut.
package struct LengthLimits: Sendable, Hashable {
  package let maxLength: Int?
  package let maxPromptLength: Int?

  /// - Throws: configuration errors that name the key.
  package init(maxLength: Int? = nil, maxPromptLength: Int? = nil) throws {
    if let maxLength, maxLength < 2 {
      throw TregError.configuration(at: "max_length", "expected a number of at least 2, found \(maxLength)")
    }
    if let maxPromptLength, maxPromptLength < 1 {
      throw TregError.configuration(
        at: "max_prompt_length", "expected a number of at least 1, found \(maxPromptLength)")
    }
    if let maxLength, let maxPromptLength, maxPromptLength >= maxLength {
      throw TregError.configuration(
        at: "max_prompt_length", "expected less than max_length (\(maxLength)), found \(maxPromptLength)")
    }
    self.maxLength = maxLength
    self.maxPromptLength = maxPromptLength
  }

  /// Both sides of a row within the limits, as one shared prefix and two responses.
  ///
  /// - Throws: bad data (65) at the row's place.
  func pair(
    of row: PreferenceRow, chosen: SpannedTokens, rejected: SpannedTokens, repairs: Repairs
  ) throws -> TokenizedPair {
    func refused(_ message: String) -> TregError { TregError.badData(at: row.place, message) }
    let shared = PairTokenizer.commonPrefix(
      chosen.tokens.prefix(chosen.scoredFrom), rejected.tokens.prefix(rejected.scoredFrom))
    guard shared > 0 else {
      throw refused(
        "no prompt token comes before both responses: the prompt is empty, or the template renders it otherwise")
    }
    for (side, name) in [(chosen, "chosen"), (rejected, "rejected")] where side.scoredFrom == side.tokens.count {
      throw refused("the response in `\(name)` has no token that is scored")
    }
    var truncation: Truncation = []
    var cut = 0
    var (chosenCount, rejectedCount) = (chosen.tokens.count, rejected.tokens.count)
    if let maxLength, max(chosenCount, rejectedCount) > maxLength {
      if let maxPromptLength {
        let promptCount = max(chosen.scoredFrom, rejected.scoredFrom)
        cut = max(0, min(promptCount - maxPromptLength, shared - 1))
        if cut > 0 { truncation.insert(.prompt) }
      }
      if chosenCount - cut > maxLength {
        chosenCount = cut + maxLength
        truncation.insert(.chosen)
      }
      if rejectedCount - cut > maxLength {
        rejectedCount = cut + maxLength
        truncation.insert(.rejected)
      }
      let promptCount = max(chosen.scoredFrom, rejected.scoredFrom) - cut
      guard chosen.scoredFrom < chosenCount, rejected.scoredFrom < rejectedCount else {
        throw refused(
          "the prompt of \(promptCount) tokens leaves no room for a response within max_length \(maxLength)")
      }
    }
    let prompt = Array(chosen.tokens[cut..<shared])
    let chosen = Response(tokens: Array(chosen.tokens[shared..<chosenCount]), scoredFrom: chosen.scoredFrom - shared)
    let rejected = Response(
      tokens: Array(rejected.tokens[shared..<rejectedCount]), scoredFrom: rejected.scoredFrom - shared)
    guard chosen != rejected else {
      throw refused(
        truncation.isEmpty
          ? "`chosen` and `rejected` are identical as tokens"
          : "`chosen` and `rejected` are identical within max_length")
    }
    return TokenizedPair(
      source: row, prompt: prompt, chosen: chosen, rejected: rejected, truncation: truncation, repairs: repairs)
  }
}
