import PreferenceData
import Reporting
import Scoring
import Tokenization

/// One row with its scores as text for a terminal.
struct RowView {
  let pair: TokenizedPair
  let scores: RowScores
  let tokenizer: Tokenizer
  let palette: Terminal.Palette

  var text: String {
    let colouring = TokenColouring(palette, scale: scale)
    return [
      "row \(pair.row)  \(pair.source.place)",
      "\(pair.tokenCount) tokens with the shared prompt, \(pair.scoredCount) scored; truncated: \(truncation)", "",
      "prompt: \(pair.prompt.count) tokens, shared and not scored",
      TokenTexts.of(pair.prompt, tokenizer).map { colouring.text(of: $0, reward: nil) }.joined(), "",
      section("chosen", pair.chosen, scores.chosen, colouring), "",
      section("rejected", pair.rejected, scores.rejected, colouring), "", colouring.legend,
    ].joined(separator: "\n")
  }

  /// The largest reward of the row has the full colour, but for rows where hardly any differs from zero.
  private var scale: Double {
    let largest = (scores.chosen.rewards + scores.rejected.rewards).map { abs($0) }.max() ?? 0
    return max(Double(largest), 0.05)
  }

  private var truncation: String {
    let parts: [(Truncation, String)] = [(.prompt, "prompt"), (.chosen, "chosen"), (.rejected, "rejected")]
    let names = parts.filter { pair.truncation.contains($0.0) }.map(\.1)
    return names.isEmpty ? "nothing" : names.joined(separator: ", ")
  }

  private func section(
    _ name: String, _ response: Response, _ scores: ResponseScores, _ colouring: TokenColouring
  ) -> String {
    func mean(_ values: [Float]) -> Double { values.reduce(0.0) { $0 + Double($1) } / Double(max(values.count, 1)) }
    let rewards = scores.rewards
    var heading = "\(name): \(response.scoredCount) tokens scored"
    if response.scoredFrom > 0 { heading += " after \(response.scoredFrom) of its own prompt" }
    heading += ", mean log π_ref \(NumberFormat.fixed(mean(scores.reference), decimals: 3))"
    if !rewards.isEmpty { heading += ", mean reward \(NumberFormat.signed(mean(rewards), decimals: 4))" }
    let texts = TokenTexts.of(response.tokens, tokenizer)
    let body = texts.enumerated().map { index, text in
      let place = index - response.scoredFrom
      return colouring.text(of: text, reward: rewards.indices.contains(place) ? Double(rewards[place]) : nil)
    }
    return heading + "\n" + body.joined()
  }
}
