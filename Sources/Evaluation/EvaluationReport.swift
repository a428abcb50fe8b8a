import OrderedJSON
import Reporting
import RunFolder

/// What an evaluation found, over all ranks.
package struct EvaluationReport: Sendable {
  package let model: String
  /// nil: there are no implicit rewards.
  package let reference: String?
  package let rowCount: Int
  /// Tokens of both conversations of every pair, the prompt counted in each.
  package let tokenCount: Int
  /// Of the passes through the models, without loading them: the slowest rank's.
  package let seconds: Double
  /// Means over pairs, under the names of `metrics.jsonl`.
  package let metrics: MetricsLine
  /// One JSON object per row, in the rows' order; empty unless they were asked for, and on ranks other than 0.
  package let records: [String]

  package var tokensPerSecond: Double { Double(tokenCount) / max(seconds, 1e-9) }

  /// The figures as one JSON object:
  ///
  ///     model, reference, rows, tokens, seconds, tokens_per_second, and the metrics by their names
  package var json: JSONValue {
    var members: JSONObject = [
      "model": .string(model), "reference": reference.map { .string($0) } ?? .null, "rows": .integer(rowCount),
      "tokens": .integer(tokenCount), "seconds": .number(seconds), "tokens_per_second": .number(tokensPerSecond),
    ]
    for (name, value) in metrics.json.object ?? [:] { members[name] = value }
    return .object(members)
  }

  /// The figures as a table, one line each.
  package var table: String {
    var table = Table([("", .left), (FileSystem.name(of: model), .right)])
    for (metric, decimals) in Self.lines {
      guard let value = metrics[metric] else { continue }
      table.append([metric.rawValue, NumberFormat.fixed(value, decimals: decimals)])
    }
    table.append(["rows", NumberFormat.count(rowCount)])
    table.append(["tokens", NumberFormat.count(tokenCount)])
    table.append(["seconds", NumberFormat.fixed(seconds, decimals: 1)])
    table.append(["tokens/s", NumberFormat.count(Int(tokensPerSecond.rounded()))])
    return table.text
  }

  private static let lines: [(Metric, Int)] = [
    (.logpsAccuracies, 3), (.rewardsAccuracies, 3), (.rewardsMargins, 4), (.rewardsChosen, 4), (.rewardsRejected, 4),
    (.logpsChosen, 3), (.logpsRejected, 3), (.logpsChosenPerToken, 4),
  ]
}
