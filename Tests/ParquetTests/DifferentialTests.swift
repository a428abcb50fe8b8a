import Foundation
import Testing

/// Thousands of random files (Tests/Oracles/check_parquet.py), when TREG_PARQUET_FOLDER names their folder.
@Suite struct DifferentialTests {
  static let folder = ProcessInfo.processInfo.environment["TREG_PARQUET_FOLDER"]

  @Test(.enabled(if: folder != nil, "TREG_PARQUET_FOLDER is not set"))
  func randomFilesHaveTheExpectedRows() throws {
    let folder = try #require(Self.folder)
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".parquet") }
    #expect(!names.isEmpty)
    var rows = 0
    for name in names.sorted() {
      let path = "\(folder)/\(name)"
      let expected = try Comparison.lines("\(folder)/\(name.dropLast(".parquet".count)).jsonl")
      rows += expected.count
      do {
        if let difference = try Comparison.difference(of: path, expected: expected) {
          Issue.record("\(name): \(difference)")
        }
      } catch { Issue.record("\(error)") }
    }
    print("\(names.count) files, \(rows) rows compared")
  }
}
