import PreferenceData
import Reporting

/// How long prompts and responses are: their spread, and how many of each length.
struct LengthSummary: CustomStringConvertible {
  /// Tokens of the shared prompts, and scored tokens of both responses, ascending.
  private let columns: [[Int]]
  private let longerChosen: Double

  /// - Precondition: at least one pair.
  init(_ pairs: [TokenizedPair]) {
    precondition(!pairs.isEmpty, "lengths of no pairs")
    columns = [
      pairs.map(\.prompt.count).sorted(), pairs.map(\.chosen.scoredCount).sorted(),
      pairs.map(\.rejected.scoredCount).sorted(),
    ]
    let wins = pairs.map { pair in
      let (chosen, rejected) = (pair.chosen.scoredCount, pair.rejected.scoredCount)
      return chosen > rejected ? 1 : chosen == rejected ? 0.5 : 0
    }
    longerChosen = wins.reduce(0, +) / Double(pairs.count)
  }

  var description: String {
    """
    \(spread)

    \(histogram)

    chosen is the longer response in \(NumberFormat.fixed(longerChosen, decimals: 3)) of pairs (ties ½)
    """
  }

  private static let titles = ["prompt", "chosen", "rejected"]

  private static func table(_ title: String) -> Table {
    Table([(title, .left)] + titles.map { ($0, .right) })
  }

  private var spread: String {
    var table = Self.table("tokens")
    let quantiles: [(String, Double)] = [("least", 0), ("median", 0.5), ("95 %", 0.95), ("most", 1)]
    for (name, share) in quantiles {
      table.append([name] + columns.map { NumberFormat.count($0[Int(share * Double($0.count - 1))]) })
    }
    table.append(
      ["mean"] + columns.map { NumberFormat.fixed(Double($0.reduce(0, +)) / Double($0.count), decimals: 1) })
    return table.text
  }

  /// Rows by length, each class twice as wide as the one before it.
  private var histogram: String {
    func bin(_ length: Int) -> Int { Int.bitWidth - length.leadingZeroBitCount }
    let bins = columns.map { lengths in Dictionary(grouping: lengths, by: bin).mapValues(\.count) }
    let used = bins.flatMap(\.keys)
    var table = Self.table("rows of length")
    for index in used.min()!...used.max()! {
      let name = index == 0 ? "0" : index == 1 ? "1" : "\(1 << (index - 1)) to \((1 << index) - 1)"
      table.append([name] + bins.map { NumberFormat.count($0[index] ?? 0) })
    }
    return table.text
  }
}
