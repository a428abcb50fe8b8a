import Reporting
import Testing

@Suite struct BarChartTests {
  @Test func everyValueIsInOneClass() {
    for values in [[0], [7, 7, 7], Array(0..<1000), [1, 2, 3, 1_000_000], Array(repeating: 5, count: 500) + [9000]] {
      let chart = BarChart(values)
      #expect(chart.classes.reduce(0) { $0 + $1.count } == values.count)
      #expect(chart.classes.count <= 12)
      for item in chart.classes {
        let inside = values.count { $0 >= item.lowest && $0 <= item.highest ?? .max }
        #expect(inside == item.count)
      }
      #expect(chart.classes.allSatisfy { $0.highest != nil } || chart.classes.last!.count > 0)
    }
  }

  @Test func barsAreInProportionAndFit() {
    let values = Array(repeating: 10, count: 100) + Array(repeating: 60, count: 50) + [110]
    let lines = BarChart(values).text(width: 60).split(separator: "\n").map(String.init)
    let bars = lines.map { line in line.count { $0 == "█" } }
    #expect(lines.allSatisfy { $0.count <= 60 })
    #expect(bars.max()! >= 25)
    let (first, second) = (bars[0], bars.dropFirst().max()!)
    #expect(abs(first - 2 * second) <= 1)
    // One of 151 is little, but not nothing.
    #expect(bars.last == 0 && lines.last!.contains { "▏▎▍▌".contains($0) })
    #expect(BarChart(values).text(width: 5).split(separator: "\n").count == lines.count)
  }
}
