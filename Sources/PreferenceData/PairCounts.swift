/// What is known of a tokenised pair without its tokens.
package struct PairCounts: Sendable, Hashable {
  /// Position over all files, from 0.
  package let row: Int
  /// Tokens of the shared prefix.
  package let prompt: Int
  /// Tokens after it, and the index of the first of them that is scored.
  package let chosen: Int
  package let chosenScoredFrom: Int
  package let rejected: Int
  package let rejectedScoredFrom: Int
  package let truncation: Truncation
  package let repairs: Repairs
  package let key: PairKey

  /// Tokens of both conversations, the prompt counted in each, as trainers that do not share prompts count them.
  package var conversationTokens: Int { tokens + prompt }
  /// Tokens of the packed tree, which is what a pair costs.
  package var tokens: Int { prompt + chosen + rejected }
  package var chosenScored: Int { chosen - chosenScoredFrom }
  package var rejectedScored: Int { rejected - rejectedScoredFrom }
  package var scored: Int { chosenScored + rejectedScored }
  /// Tokens of the prompt with the longer response.
  package var longest: Int { prompt + max(chosen, rejected) }
}
