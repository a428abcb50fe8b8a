import Objectives
import OrderedJSON
import PreferenceData

/// One evaluated pair as a JSON object, as `treg evaluate --jsonl` writes it.
enum PairRecord {
  ///     row, chosen_tokens, rejected_tokens, chosen_logps, rejected_logps, chosen_logprobs, rejected_logprobs
  ///
  /// and with a reference
  ///
  ///     reference_chosen_logps, reference_rejected_logps, reference_chosen_logprobs, reference_rejected_logprobs,
  ///     rewards/chosen, rewards/rejected
  ///
  /// `…_logps` are sums over the scored tokens, `…_logprobs` one value for each of `…_tokens`.
  static func line(_ pair: TokenizedPair, _ statistics: PairStatistics, _ outcome: PairOutcome?) -> JSONValue {
    var record: JSONValue = [
      "row": .integer(pair.row), "chosen_tokens": ids(pair.chosen.scored), "rejected_tokens": ids(pair.rejected.scored),
      "chosen_logps": sum(statistics.chosen.logProbs), "rejected_logps": sum(statistics.rejected.logProbs),
      "chosen_logprobs": numbers(statistics.chosen.logProbs),
      "rejected_logprobs": numbers(statistics.rejected.logProbs),
    ]
    if case .object(var members) = record, let chosen = statistics.chosen.reference,
      let rejected = statistics.rejected.reference, let outcome
    {
      members["reference_chosen_logps"] = sum(chosen)
      members["reference_rejected_logps"] = sum(rejected)
      members["reference_chosen_logprobs"] = numbers(chosen)
      members["reference_rejected_logprobs"] = numbers(rejected)
      members["rewards/chosen"] = .number(outcome.chosenReward)
      members["rewards/rejected"] = .number(outcome.rejectedReward)
      record = .object(members)
    }
    return record
  }

  private static func ids(_ tokens: some Sequence<Int32>) -> JSONValue { .array(tokens.map { .integer(Int($0)) }) }
  private static func numbers(_ values: [Float]) -> JSONValue { .array(values.map { .number(Double($0)) }) }
  private static func sum(_ values: [Float]) -> JSONValue { .number(values.reduce(0.0) { $0 + Double($1) }) }
}
