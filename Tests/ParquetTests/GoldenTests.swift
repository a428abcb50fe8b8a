import Foundation
import OrderedJSON
import Parquet
import RunFolder
import Testing

/// The files of Tests/ParquetTests/Golden.
enum Golden {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden").path

  static func path(_ name: String) -> String { "\(folder)/\(name)" }

  /// Names of the files that can be read.
  static let names: [String] = {
    let names = try? FileManager.default.contentsOfDirectory(atPath: folder)
    return (names ?? []).filter { $0.hasSuffix(".parquet") && !$0.hasPrefix("refused.") }.sorted()
  }()

  static func rows(of name: String) throws -> [JSONValue] {
    try Comparison.lines(path("\(name.prefix { $0 != "." }).jsonl"))
  }
}

/// Files of pyarrow, of `datasets` and in older forms against the rows that were put into them
/// (Tests/Oracles/parquet_golden.py).
@Suite struct GoldenTests {
  @Test func allFilesAreThere() { #expect(Golden.names.count >= 28) }

  @Test(arguments: Golden.names)
  func hasTheRowsThatWereWritten(name: String) throws {
    #expect(try Comparison.difference(of: Golden.path(name), expected: Golden.rows(of: name)) == nil)
  }
}
