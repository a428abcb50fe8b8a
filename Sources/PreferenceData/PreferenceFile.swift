import Glibc
import OrderedJSON
import RunFolder

/// Rows read from files, and what was left out.
package struct PreferenceRows: Sendable {
  package let rows: [PreferenceRow]
  /// Rows in the files, those left out included; positions of rows run from 0 up to here.
  package let readCount: Int
  package let skipped: SkippedRows
  /// The files in the order they were read.
  package let paths: [String]
}

/// Files of preference pairs: JSON lines, or one JSON list, plain or gzip-compressed.
package enum PreferenceFile {
  /// A longer row is refused before it is parsed.
  package static let rowByteLimit = 16 << 20
  /// A JSON list is parsed as a whole and so has to fit in memory; files of JSON lines have no limit.
  package static let listByteLimit = 1 << 30

  /// Reads all rows of some files.
  ///
  /// - Parameter patterns: paths, or patterns with `*`, `?` and `[…]` whose matches are taken in byte order.
  /// - Throws: 66 when a pattern matches nothing; 65 with `file:line` for a row that cannot be used (unless they are
  ///   skipped), for a file without rows and for damaged compression; 77 and 74 when reading fails.
  package static func read(_ patterns: [String], badRows: BadRows = .error) throws -> PreferenceRows {
    let paths = try patterns.flatMap(expand)
    var collector = RowCollector(badRows: badRows)
    for path in paths {
      let before = collector.readCount
      try read(path, into: &collector)
      if collector.readCount == before { throw TregError.badData(at: path, "the file has no rows") }
    }
    if collector.rows.isEmpty {
      throw TregError.badData(
        at: paths.joined(separator: ", "),
        "none of \(collector.readCount) rows can be used; the first: \(collector.skipped.reasons.first ?? "no files")")
    }
    return PreferenceRows(
      rows: collector.rows, readCount: collector.readCount, skipped: collector.skipped, paths: paths)
  }

  private static func read(_ path: String, into collector: inout RowCollector) throws {
    let reader = try LineReader(path: path, maximumCount: rowByteLimit)
    if try reader.starts(with: UInt8(ascii: "[")) { return try readList(reader, into: &collector) }
    while let line = try reader.next() {
      let place = "\(path):\(reader.line)"
      switch line {
      case .oversize:
        try collector.add(at: place) { _ in
          throw TregError.badData(at: place, "the row is longer than \(rowByteLimit >> 20) MiB")
        }
      case .text(let bytes):
        if bytes.allSatisfy({ $0 == 0x20 || (0x09...0x0D).contains($0) }) { continue }
        try collector.add(at: place) { row in
          try PreferenceRow(columns: parse(bytes, place: place), row: row, place: place)
        }
      }
    }
  }

  private static func parse(_ bytes: ArraySlice<UInt8>, place: String) throws -> JSONValue {
    do {
      return try bytes.withUnsafeBufferPointer { try JSONValue(parsing: $0) }
    } catch let error as JSONError {
      var message = error.message
      if bytes.count <= 2 { message += "; expected one whole object on each line" }
      throw TregError.badData(at: "\(place):\(error.column)", message)
    }
  }

  private static func readList(_ reader: LineReader, into collector: inout RowCollector) throws {
    let path = reader.path
    guard let bytes = try reader.rest(limit: listByteLimit) else {
      throw TregError.badData(
        at: path, "the list is larger than \(listByteLimit >> 20) MiB; write one row on each line")
    }
    let value: JSONValue
    do {
      value = try bytes.withUnsafeBufferPointer { try JSONValue(parsing: $0) }
    } catch let error as JSONError {
      throw TregError.badData(at: "\(path):\(error.line):\(error.column)", error.message)
    }
    for (index, element) in (value.array ?? []).enumerated() {
      let place = "\(path): row \(index) of the list"
      try collector.add(at: place) { row in try PreferenceRow(columns: element, row: row, place: place) }
    }
  }

  /// The files that `pattern` names. A file whose name holds a pattern's characters is found under its own name.
  private static func expand(_ pattern: String) throws -> [String] {
    if FileSystem.kind(of: pattern) != nil || !pattern.contains(where: { "*?[".contains($0) }) { return [pattern] }
    var found = glob_t()
    defer { globfree(&found) }
    // Sorted by bytes, whatever the locale, so that every rank counts rows alike.
    guard glob(pattern, GLOB_NOSORT, nil, &found) == 0, let names = found.gl_pathv else {
      throw TregError.missing(at: pattern, "no file matches")
    }
    let paths = (0..<Int(found.gl_pathc)).compactMap { names[$0].map { String(cString: $0) } }
    return paths.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}

private struct RowCollector {
  let badRows: BadRows
  var rows: [PreferenceRow] = []
  var readCount = 0
  var skipped = SkippedRows()

  init(badRows: BadRows) { self.badRows = badRows }

  mutating func add(at place: String, _ make: (Int) throws -> PreferenceRow) throws {
    defer { readCount += 1 }
    do {
      rows.append(try make(readCount))
    } catch let error as TregError where error.exitCode == .badData && badRows == .skip {
      skipped.add(error)
    }
  }
}
