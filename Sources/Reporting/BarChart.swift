/// Counts by classes of whole numbers as lines with bars.
///
///       0 to 49   ████████████▍  412   51.8 %
///      50 to 99   ███████        233   29.3 %
///     100 or more ▏                4    0.5 %
package struct BarChart: Sendable {
  package struct Class: Sendable, Equatable {
    /// The smallest number of the class.
    package let lowest: Int
    /// The largest one; nil for the last class, which holds all above.
    package let highest: Int?
    package let count: Int
  }

  package let classes: [Class]

  /// - Parameters:
  ///   - values: not negative.
  ///   - classCount: about how many classes the first 99 % of the values make.
  /// - Precondition: at least one value.
  package init(_ values: [Int], classCount: Int = 10) {
    let sorted = values.sorted()
    let most = sorted[(sorted.count - 1) * 99 / 100]
    let step = Self.step(for: most, classCount: classCount)
    let first = sorted[0] / step * step
    // One long text must not stretch all classes, nor make a thousand of them.
    let last = max(most / step * step, first)
    let isOpen = sorted.last! >= last + step
    var counts: [Int: Int] = [:]
    for value in sorted { counts[min(value / step * step, isOpen ? last + step : last), default: 0] += 1 }
    classes = stride(from: first, through: isOpen ? last + step : last, by: step).map { lowest in
      Class(lowest: lowest, highest: lowest > last ? nil : lowest + step - 1, count: counts[lowest] ?? 0)
    }
  }

  /// The least of 1, 2, 5, 10, 20, 50 … that makes few enough classes.
  private static func step(for most: Int, classCount: Int) -> Int {
    var power = 1
    while true {
      for step in [power, 2 * power, 5 * power] where most / step < classCount { return step }
      power *= 10
    }
  }

  /// - Parameter width: columns of a line.
  package func text(width: Int) -> String {
    let total = classes.reduce(0) { $0 + $1.count }
    let most = max(classes.map(\.count).max() ?? 0, 1)
    let numbers = classes.map { item in
      let share = NumberFormat.fixed(100 * Double(item.count) / Double(max(total, 1)), decimals: 1)
      return (NumberFormat.count(item.count), share + " %")
    }
    func padded(_ text: String, _ width: Int) -> String {
      String(repeating: " ", count: max(width - text.count, 0)) + text
    }
    let lows = classes.map { NumberFormat.count($0.lowest) }
    let highs = classes.map { item in
      item.highest.map { $0 == item.lowest ? "" : "to " + NumberFormat.count($0) } ?? "or more"
    }
    func widest(_ texts: [String]) -> Int { texts.map(\.count).max() ?? 0 }
    let widths = (
      low: widest(lows), high: widest(highs), count: widest(numbers.map(\.0)), share: widest(numbers.map(\.1))
    )
    let room = max(width - 8 - widths.low - widths.high - widths.count - widths.share, 4)
    return classes.indices.map { index in
      let bar = Self.bar(Double(classes[index].count) / Double(most) * Double(room))
      let high = highs[index] + String(repeating: " ", count: widths.high - highs[index].count)
      return "  \(padded(lows[index], widths.low)) \(high) \(bar)\(String(repeating: " ", count: room - bar.count))"
        + "  \(padded(numbers[index].0, widths.count))  \(padded(numbers[index].1, widths.share))"
    }.joined(separator: "\n")
  }

  /// Blocks of eighths of a column; something is shown for anything above nothing.
  private static func bar(_ length: Double) -> String {
    let eighths = length > 0 ? max(Int((length * 8).rounded()), 1) : 0
    let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
    return String(repeating: "█", count: eighths / 8) + parts[eighths % 8]
  }
}
