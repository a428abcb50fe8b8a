import OrderedJSON
import RunFolder

/// A Parquet file, whose rows are read group by group in bounded memory.
///
///     let file = try ParquetFile("train.parquet")
///     for group in file.rowGroups.indices {
///       let rows = try file.rows(inGroup: group, columns: ["chosen", "rejected"])
///       while let row = try rows.next() { … }
///     }
///
/// Format: https://parquet.apache.org/docs/file-format/. Read are pages of both versions, compressed with snappy, gzip,
/// zstd or not at all, every encoding of the format, and fields nested in any way; how values turn into JSON says
/// ``ValueMeaning``. Encrypted files and other compressions are refused by name.
///
/// One value may be used from any number of threads.
package final class ParquetFile: Sendable {
  package struct RowGroup: Sendable {
    package let rowCount: Int
    /// The file's row with which the group begins, from 0.
    package let firstRow: Int
    /// Compressed bytes of all columns.
    package let byteCount: Int
  }

  package let path: String
  package let rowCount: Int
  /// Names of the fields of a row, in their order.
  package let columns: [String]
  package let rowGroups: [RowGroup]

  let file: RandomAccessFile
  let schema: Schema
  let chunks: [[FileMetadata.ColumnChunk]]

  /// Opens a file and checks its footer.
  ///
  /// - Throws: ``TregError``: 66 when it is missing, 65 when it is not a Parquet file, is encrypted, or its footer lies.
  package init(_ path: String) throws {
    self.path = path
    file = try RandomAccessFile(path)
    do {
      let (metadata, end) = try Self.footer(of: file)
      schema = try Schema(metadata.schema)
      columns = schema.fields.map(\.name)
      rowGroups = try Self.rowGroups(metadata, leafCount: schema.leaves.count, end: end)
      chunks = metadata.rowGroups.map(\.columns)
      rowCount = metadata.rowCount
    } catch let damage as Damage {
      throw TregError.badData(at: path, damage.message)
    }
  }

  private static let magic = Array("PAR1".utf8)
  private static let encryptedMagic = Array("PARE".utf8)

  /// The parsed footer, and where it begins.
  private static func footer(of file: RandomAccessFile) throws -> (FileMetadata, Int) {
    guard file.size >= 12 else { throw Damage("not a Parquet file: it has \(file.size) bytes") }
    let tail = try file.bytes(at: file.size - 8, count: 8)
    if tail[4...].elementsEqual(encryptedMagic) { throw Damage("the file is encrypted, which is not read") }
    guard try file.bytes(at: 0, count: 4) == magic else {
      throw Damage("not a Parquet file: it does not begin with PAR1")
    }
    guard tail[4...].elementsEqual(magic) else {
      throw Damage("the file does not end with PAR1: it is cut off or not a Parquet file")
    }
    let count = tail[..<4].reversed().reduce(0) { $0 << 8 | Int($1) }
    guard count <= file.size - 12 else {
      throw Damage("the footer claims \(count) bytes, the file has \(file.size)")
    }
    guard count <= ParquetLimits.footerByteCount else {
      throw Damage("the footer has \(count) bytes, at most \(ParquetLimits.footerByteCount) are read")
    }
    let start = file.size - 8 - count
    let bytes = try file.bytes(at: start, count: count)
    let metadata: FileMetadata
    do {
      metadata = try bytes.withUnsafeBytes { try FileMetadata(parsing: $0) }
    } catch let damage as Damage {
      throw Damage("the footer is damaged: \(damage.message)")
    }
    if metadata.isEncrypted { throw Damage("the file is encrypted, which is not read") }
    return (metadata, start)
  }

  private static func rowGroups(_ metadata: FileMetadata, leafCount: Int, end: Int) throws -> [RowGroup] {
    var groups: [RowGroup] = []
    var firstRow = 0
    for (index, group) in metadata.rowGroups.enumerated() {
      guard group.columns.count == leafCount else {
        throw Damage("row group \(index) has \(group.columns.count) columns, the schema \(leafCount)")
      }
      var byteCount = 0
      for column in group.columns {
        guard column.compressedSize >= 0, column.compressedSize <= end - byteCount else {
          throw Damage("the columns of row group \(index) claim more bytes than the file has")
        }
        byteCount += column.compressedSize
      }
      groups.append(RowGroup(rowCount: group.rowCount, firstRow: firstRow, byteCount: byteCount))
      let (next, overflow) = firstRow.addingReportingOverflow(group.rowCount)
      guard !overflow else { throw Damage("the row groups claim more rows than can be counted") }
      firstRow = next
    }
    guard firstRow == metadata.rowCount else {
      throw Damage("the footer claims \(metadata.rowCount) rows, its row groups \(firstRow)")
    }
    return groups
  }
}
