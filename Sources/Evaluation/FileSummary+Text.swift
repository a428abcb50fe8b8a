import OrderedJSON
import Reporting

extension FileSummary {
  private static let quantiles: [(name: String, key: String, share: Double)] = [
    ("least", "min", 0), ("5 %", "p5", 0.05), ("25 %", "p25", 0.25), ("median", "p50", 0.5), ("75 %", "p75", 0.75),
    ("95 %", "p95", 0.95), ("99 %", "p99", 0.99), ("most", "max", 1),
  ]

  /// Counts, a table of lengths, a histogram of each, and advice.
  package func text(width: Int) -> String {
    let charts = lengths.map { "\($0.name), tokens\n" + BarChart($0.values).text(width: min(width, 100)) }
    let advice = advice.isEmpty ? [] : ["", "advice"] + advice.map { "- \($0)" }
    return ([Listing(counts).text(width: width), "", table, "", charts.joined(separator: "\n\n")] + advice)
      .joined(separator: "\n")
  }

  private var counts: [(name: String, finding: String)] {
    func percent(_ share: Double) -> String { NumberFormat.fixed(100 * share, decimals: 1) + " %" }
    func number(_ count: Int) -> String { NumberFormat.count(count) }
    var counts = [
      ("rows", "\(number(readCount)) read, \(number(usedCount)) used, \(number(refusedCount)) refused")
    ]
    for (reason, count) in refusals {
      counts.append(("  refused", "\(number(count)) × \(TokenColouring.visibleLine(reason))"))
    }
    if let firstRefusal { counts.append(("  first", TokenColouring.visibleLine(firstRefusal))) }
    for (name, count) in repairs { counts.append(("  repaired", "\(number(count)) × \(name)")) }
    let saved = percent(Double(unsharedCount - tokenCount) / Double(unsharedCount))
    return counts + [
      ("truncated", truncated),
      ("tokens", "\(number(tokenCount)), of which \(number(scoredCount)) scored; sharing prompts saves \(saved)"),
      ("chosen", "the longer response in \(percent(chosenLonger)) of pairs (ties ½)"),
    ]
  }

  private var truncated: String {
    guard truncatedRows > 0 else { return "nothing (max_length \(maxLength))" }
    return
      "\(NumberFormat.count(truncatedRows)) rows by max_length \(maxLength): \(NumberFormat.count(truncatedPrompts)) "
      + "prompts, \(NumberFormat.count(truncatedChosen)) chosen, \(NumberFormat.count(truncatedRejected)) rejected"
  }

  private var table: String {
    var table = Table([("tokens", .left)] + lengths.map { ($0.name, .right) })
    for (name, _, share) in Self.quantiles {
      table.append([name] + lengths.map { NumberFormat.count($0.quantile(share)) })
    }
    table.append(["mean"] + lengths.map { NumberFormat.fixed($0.mean, decimals: 1) })
    return table.text
  }

  /// What the figures suggest, a sentence each.
  var advice: [String] {
    var advice: [String] = []
    let longest = uncut.values.last!
    if overlongCount > 0 {
      let share = NumberFormat.fixed(100 * Double(overlongCount) / Double(uncut.values.count), decimals: 1)
      func enough(_ length: Int) -> Int {
        let step = length > 1024 ? 256 : 64
        return min((length + step - 1) / step * step, context)
      }
      var text = "max_length \(maxLength) is passed by \(share) % of rows"
      let most = uncut.quantile(0.99)
      if most > maxLength, most <= context, enough(most) < longest {
        text += "; \(enough(most)) would leave 99 % whole"
      }
      text +=
        longest <= context
        ? "; \(enough(longest)) would cut none"
        : "; the longest has \(NumberFormat.count(longest)) tokens, the model's context is \(NumberFormat.count(context))"
      advice.append(text)
    }
    if refusedCount > 0 {
      advice.append(
        "bad_rows: skip trains without the \(NumberFormat.count(refusedCount)) refused rows; error, the standard, ends at the first"
      )
    }
    if usedCount >= 20, chosenLonger > 0.65 || chosenLonger < 0.35 {
      let word = chosenLonger > 0.5 ? "longer" : "shorter"
      advice.append(
        "chosen responses are mostly the \(word) ones: a model may learn length from that; simpo divides by it")
    }
    return advice
  }

  package var json: JSONValue {
    func object(_ lengths: Lengths) -> JSONValue {
      var members: JSONObject = [:]
      for (_, key, share) in Self.quantiles { members[key] = .integer(lengths.quantile(share)) }
      members["mean"] = .number(lengths.mean)
      members["histogram"] = .array(
        BarChart(lengths.values).classes.map {
          ["from": .integer($0.lowest), "to": $0.highest.map { .integer($0) } ?? .null, "count": .integer($0.count)]
        })
      return .object(members)
    }
    func members(_ pairs: [(name: String, value: JSONValue)]) -> JSONValue {
      var object: JSONObject = [:]
      for (name, value) in pairs { object[name] = value }
      return .object(object)
    }
    return [
      "rows_read": .integer(readCount), "rows_used": .integer(usedCount), "rows_refused": .integer(refusedCount),
      "refusals": members(refusals.map { ($0.reason, .integer($0.count)) }),
      "max_length": .integer(maxLength), "rows_over_max_length": .integer(overlongCount),
      "longest_conversation": .integer(uncut.values.last!),
      "truncated": [
        "rows": .integer(truncatedRows), "prompt": .integer(truncatedPrompts), "chosen": .integer(truncatedChosen),
        "rejected": .integer(truncatedRejected),
      ],
      "repairs": members(repairs.map { ($0.name, .integer($0.count)) }),
      "tokens": .integer(tokenCount), "scored_tokens": .integer(scoredCount),
      "chosen_longer": .number(chosenLonger),
      "lengths": members(lengths.map { ($0.name, object($0)) }),
      "advice": .array(advice.map { .string($0) }),
    ]
  }
}
