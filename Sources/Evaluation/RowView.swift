import PreferenceData
import Reporting

/// One row as text for a terminal: what the template wrote dim, scored tokens bright, rewards as colours behind them.
struct RowView {
  let tokens: RowTokens
  let terminal: Terminal
  /// α of the T-REG term where tokens weigh 1 ± α·r̂ in the gradient; nil for objectives in which they do not.
  let alpha: Double?

  private var pair: TokenizedPair { tokens.pair }
  private var colouring: TokenColouring { TokenColouring(terminal.palette, scale: scale) }

  /// The text with all tokens in their order.
  var text: String {
    var lines = heading
    lines += [rule("prompt", promptFacts), running(tokens.prompt), ""]
    for (name, side) in sides { lines += [rule(name, facts(side)), running(side.items), ""] }
    return (lines + legend).joined(separator: "\n")
  }

  /// A line for each token, with its id.
  var table: String {
    var lines = heading
    lines += [rule("prompt", promptFacts), table(of: tokens.prompt, weight: 0), ""]
    for (name, side) in sides {
      lines += [rule(name, facts(side)), table(of: side.items, weight: name == "chosen" ? 1 : -1), ""]
    }
    return (lines + legend).joined(separator: "\n")
  }

  private var sides: [(String, RowTokens.Side)] { [("chosen", tokens.chosen), ("rejected", tokens.rejected)] }

  private var heading: [String] {
    let cut = tokens.truncated.isEmpty ? "nothing" : tokens.truncated.joined(separator: ", ")
    return [
      "row \(pair.row)  \(TokenColouring.visibleLine(pair.source.place))",
      "\(pair.tokenCount) tokens with the shared prompt, \(pair.scoredCount) scored; truncated: \(cut)",
      "repaired: \(pair.repairs.isEmpty ? "nothing" : pair.repairs.names.joined(separator: ", "))", "",
    ]
  }

  private var promptFacts: [String] {
    ["\(pair.prompt.count) tokens", "shared", "not scored"]
  }

  private func facts(_ side: RowTokens.Side) -> [String] {
    let own = side.items.count - side.scoredCount
    var facts = ["\(side.scoredCount) tokens scored" + (own > 0 ? " after \(own) of its own prompt" : "")]
    if let mean = side.meanReference { facts.append("log π_ref \(NumberFormat.fixed(mean, decimals: 3))") }
    if let mean = side.meanReward { facts.append("reward \(NumberFormat.signed(mean, decimals: 4))") }
    if side.sharedCount > 0 { facts.append("first \(side.sharedCount) as chosen") }
    return facts
  }

  /// `── chosen ── 252 tokens scored · reward −0.0063 ─────`, as wide as the terminal but no wider than 100 columns.
  private func rule(_ name: String, _ facts: [String]) -> String {
    let title = "── \(name) ── \(facts.joined(separator: " · ")) "
    return title + String(repeating: "─", count: max(min(terminal.width, 100) - title.count, 2))
  }

  private func running(_ items: [RowTokens.Item]) -> String {
    items.map { colouring.text(of: $0.text, reward: $0.reward.map(Double.init), emphasis: emphasis($0)) }.joined()
  }

  private func emphasis(_ item: RowTokens.Item) -> TokenColouring.Emphasis {
    switch item.part {
    case .template: .dim
    case .prompt: .plain
    case .scored: .bright
    }
  }

  /// - Parameter weight: the sign with which rewards enter a token's weight.
  private func table(of items: [RowTokens.Item], weight: Double) -> String {
    let hasScores = items.contains { $0.reference != nil }
    let hasRewards = items.contains { $0.reward != nil }
    var columns: [(title: String, alignment: Table.Alignment)] = [("position", .right), ("id", .right)]
    if hasScores { columns.append(("log π_ref", .right)) }
    if hasRewards { columns.append(("reward", .right)) }
    if hasRewards, alpha != nil { columns.append(("weight", .right)) }
    columns.append(("token", .left))
    var table = Table(columns)
    for item in items {
      var cells = ["\(item.position)", "\(item.token)"]
      if hasScores { cells.append(item.reference.map { NumberFormat.fixed(Double($0), decimals: 3) } ?? "") }
      if hasRewards {
        cells.append(item.reward.map { NumberFormat.signed(Double($0), decimals: 3) } ?? "")
        if let alpha {
          cells.append(item.reward.map { NumberFormat.fixed(1 + weight * alpha * Double($0), decimals: 3) } ?? "")
        }
      }
      // One line a token, whatever it holds.
      let shown = item.text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "⏎")
      cells.append(colouring.text(of: shown, reward: nil, emphasis: emphasis(item)))
      table.append(cells)
    }
    return table.text
  }

  private var legend: [String] {
    var lines: [String] = []
    if terminal.palette != .none {
      let parts: [(String, TokenColouring.Emphasis)] = [("template", .dim), ("prompt", .plain), ("scored", .bright)]
      lines.append(parts.map { colouring.text(of: $0.0, reward: nil, emphasis: $0.1) }.joined(separator: "  "))
    }
    if !rewards.isEmpty { lines.append(colouring.legend) }
    return lines
  }

  private var rewards: [Float] { (tokens.chosen.items + tokens.rejected.items).compactMap(\.reward) }

  /// The largest reward of the row has the full colour, but for rows where hardly any differs from zero.
  private var scale: Double { max(Double(rewards.map { abs($0) }.max() ?? 0), 0.05) }
}
