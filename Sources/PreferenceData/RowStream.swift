import OrderedJSON
import Parquet
import RunFolder

/// The rows of some files, one after another; in memory is one row, or one page of each column of a Parquet file.
///
/// Used by one thread at a time.
final class RowStream: @unchecked Sendable {
  /// A longer row is refused before it is parsed.
  static let rowByteLimit = 16 << 20

  private enum Source {
    case lines(LineReader)
    case list(ListReader, index: Int)
    case parquet(ParquetFile, columns: Set<String>?, group: Int, rows: ParquetRows?)
    case rows(ArraySlice<PreferenceRow>)
  }

  let paths: [String]
  /// Rows given so far.
  private(set) var count = 0
  private var file = -1
  private var source: Source?
  /// Rows before those of the file that is being read.
  private var countBefore = 0

  /// - Parameter paths: files, as ``DataFiles`` finds them.
  init(_ paths: [String]) { self.paths = paths }

  /// Rows that are at hand.
  init(_ rows: [PreferenceRow]) {
    paths = []
    source = .rows(rows[...])
  }

  /// The next row; nil after the last of the last file.
  ///
  /// - Throws: 65 for a file without rows, for damaged compression and for what is no list and no Parquet file; 66, 77
  ///   and 74 when reading fails. The stream is of no use afterwards.
  func next() throws -> RawRow? {
    while true {
      if let row = try nextOfFile() {
        count += 1
        return row
      }
      if file >= 0, count == countBefore { throw TregError.badData(at: paths[file], "the file has no rows") }
      guard file + 1 < paths.count else { return nil }
      file += 1
      countBefore = count
      source = try open(paths[file])
    }
  }

  private func open(_ path: String) throws -> Source {
    let (kind, bytes) = try FileKind.open(path)
    if kind == .parquet {
      let file = try ParquetFile(path)
      // Other columns are not even decompressed; without any of the usual names all are, for the message.
      let wanted = Set(file.columns).intersection(RowColumns.names)
      return .parquet(file, columns: wanted.isEmpty ? nil : wanted, group: 0, rows: nil)
    }
    let reader = LineReader(bytes, path: path, maximumCount: Self.rowByteLimit)
    return try reader.starts(with: UInt8(ascii: "[")) ? .list(ListReader(reader), index: 0) : .lines(reader)
  }

  private func row(_ content: RawRow.Content, _ suffix: String) -> RawRow {
    RawRow(row: count, path: paths[file], place: RowPlace(file: file, suffix: suffix), content: content)
  }

  private func nextOfFile() throws -> RawRow? {
    let tooLong = RawRow.Content.refused("the row is longer than \(Self.rowByteLimit >> 20) MiB")
    switch source {
    case nil: return nil
    case .rows(var rows):
      guard let first = rows.popFirst() else { return nil }
      source = .rows(rows)
      return RawRow(row: first.row, path: "", place: first.origin, content: .row(first))
    case .lines(let reader):
      while let line = try reader.next() {
        let suffix = ":\(reader.line)"
        switch line {
        case .oversize: return row(tooLong, suffix)
        case .text(let bytes):
          if bytes.allSatisfy({ $0 == 0x20 || (0x09...0x0D).contains($0) }) { continue }
          return row(.text(Array(bytes), start: nil), suffix)
        }
      }
      return nil
    case .list(var list, let index):
      guard let element = try list.next() else { return nil }
      source = .list(list, index: index + 1)
      let content = element.text.map { RawRow.Content.text($0, start: (element.line, element.column)) }
      return row(content ?? tooLong, ": row \(index) of the list")
    case .parquet(let file, let columns, var group, var rows):
      while true {
        if rows == nil {
          guard group < file.rowGroups.count else { return nil }
          rows = try file.rows(inGroup: group, columns: columns)
        }
        let position = rows!.position
        if let values = try rows!.next() {
          source = .parquet(file, columns: columns, group: group, rows: rows)
          return row(.columns(values), ": row \(position)")
        }
        rows = nil
        group += 1
      }
    }
  }
}
