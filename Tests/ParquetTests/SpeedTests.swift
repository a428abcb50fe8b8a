import Foundation
import OrderedJSON
import Parquet
import Testing

/// How fast a large file (Tests/Oracles/bench_parquet.py) is read, and in what memory, when TREG_PARQUET_FILE names it.
@Suite struct SpeedTests {
  static let path = ProcessInfo.processInfo.environment["TREG_PARQUET_FILE"]

  @Test(.enabled(if: path != nil, "TREG_PARQUET_FILE is not set"))
  func readsInBoundedMemory() throws {
    let file = try ParquetFile(try #require(Self.path))
    for columns in [nil, Set(file.columns.prefix(1))] {
      let clock = ContinuousClock()
      var (count, bytes) = (0, 0)
      let elapsed = try clock.measure {
        for group in file.rowGroups.indices {
          let rows = try file.rows(inGroup: group, columns: columns)
          while let row = try rows.next() {
            count += 1
            bytes += Self.textBytes(of: row)
          }
        }
      }
      #expect(count == file.rowCount)
      let seconds = elapsed / .seconds(1)
      print(
        "\(columns.map { $0.joined() } ?? "all columns"): \(count) rows, \(bytes / 1_000_000) MB of text in \(seconds) s,",
        "\(Int(Double(count) / seconds)) rows/s, \(Int(Double(bytes) / seconds / 1e6)) MB/s, peak \(Self.peakMemory)")
    }
  }

  private static func textBytes(of value: JSONValue) -> Int {
    switch value {
    case .string(let text): text.utf8.count
    case .array(let items): items.reduce(0) { $0 + textBytes(of: $1) }
    case .object(let members): members.values.reduce(0) { $0 + textBytes(of: $1) }
    default: 0
    }
  }

  private static var peakMemory: String {
    let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = status?.split(separator: "\n").first { $0.hasPrefix("VmHWM") }
    return line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown"
  }
}
