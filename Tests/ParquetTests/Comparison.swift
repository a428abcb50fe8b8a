import Foundation
import OrderedJSON
import Parquet
import Testing

/// Files beside the rows that must come out of them: NAME.parquet and NAME.jsonl.
enum Comparison {
  /// Reads a file whole, and once more with every other column only, and compares both with the expected rows.
  ///
  /// - Returns: what differs first; nil when nothing does.
  static func difference(of path: String, expected: [JSONValue]) throws -> String? {
    let file = try ParquetFile(path)
    guard file.rowCount == expected.count else { return "\(file.rowCount) rows, expected \(expected.count)" }
    let half = Set(file.columns.enumerated().filter { $0.offset % 2 == 0 }.map(\.element))
    for columns in [nil, half] {
      for (index, group) in file.rowGroups.enumerated() {
        let rows = try file.rows(inGroup: index, columns: columns)
        for row in group.firstRow..<(group.firstRow + group.rowCount) {
          guard rows.position == row, let found = try rows.next() else { return "row \(row) is missing" }
          let wanted = pruned(expected[row], to: columns)
          if !same(found, wanted) { return "row \(row) is \(found.text()), expected \(wanted.text())" }
        }
        if try rows.next() != nil { return "row group \(index) has too many rows" }
      }
    }
    return nil
  }

  static func lines(_ path: String) throws -> [JSONValue] {
    try Data(contentsOf: URL(filePath: path)).split(separator: UInt8(ascii: "\n")).map { try JSONValue(parsing: $0) }
  }

  private static func pruned(_ row: JSONValue, to columns: Set<String>?) -> JSONValue {
    guard let columns, let members = row.object else { return row }
    var result: JSONObject = [:]
    for (key, value) in members where columns.contains(key) { result[key] = value }
    return .object(result)
  }

  /// Equality in which NaN equals itself and the order of keys counts.
  static func same(_ left: JSONValue, _ right: JSONValue) -> Bool {
    switch (left, right) {
    case (.number(let a), .number(let b)): a == b || a.isNaN && b.isNaN
    case (.array(let a), .array(let b)): a.count == b.count && zip(a, b).allSatisfy(same)
    case (.object(let a), .object(let b)):
      a.count == b.count && zip(a, b).allSatisfy { $0.key.utf8.elementsEqual($1.key.utf8) && same($0.value, $1.value) }
    case (.string(let a), .string(let b)): a.utf8.elementsEqual(b.utf8)
    default: left == right
    }
  }
}
