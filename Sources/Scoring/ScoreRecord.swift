import OrderedJSON
import PreferenceData
import Tokenization

/// One response with its scores as a JSON object, as `treg rewards --jsonl` writes it.
package enum ScoreRecord {
  /// The two objects of a row, chosen first.
  ///
  ///     row, side, tokens, text, prompt_tokens, better_prompt_tokens, worse_prompt_tokens,
  ///     reference_logprobs, better_logprobs, worse_logprobs, rewards
  ///
  /// - Parameter prompts: contrastive prompts; nil when only the reference was scored.
  package static func lines(
    pair: TokenizedPair, scores: RowScores,
    prompts: (chosen: ContrastivePrompter.Prompts, rejected: ContrastivePrompter.Prompts)?, tokenizer: Tokenizer
  ) -> [JSONValue] {
    [
      line("chosen", pair: pair, response: pair.chosen, scores: scores.chosen, prompts: prompts?.chosen, tokenizer),
      line(
        "rejected", pair: pair, response: pair.rejected, scores: scores.rejected, prompts: prompts?.rejected, tokenizer),
    ]
  }

  private static func line(
    _ side: String, pair: TokenizedPair, response: Response, scores: ResponseScores,
    prompts: ContrastivePrompter.Prompts?, _ tokenizer: Tokenizer
  ) -> JSONValue {
    let scored = Array(response.scored)
    return [
      "row": .integer(pair.row), "side": .string(side), "tokens": ids(scored),
      "text": .string(tokenizer.decode(scored)),
      "prompt_tokens": ids(pair.prompt + response.tokens[..<response.scoredFrom]),
      "better_prompt_tokens": ids(prompts?.better ?? []), "worse_prompt_tokens": ids(prompts?.worse ?? []),
      "reference_logprobs": numbers(scores.reference), "better_logprobs": numbers(scores.better),
      "worse_logprobs": numbers(scores.worse), "rewards": numbers(scores.rewards),
    ]
  }

  private static func ids(_ tokens: some Sequence<Int32>) -> JSONValue { .array(tokens.map { .integer(Int($0)) }) }

  private static func numbers(_ values: [Float]) -> JSONValue { .array(values.map { .number(Double($0)) }) }
}
