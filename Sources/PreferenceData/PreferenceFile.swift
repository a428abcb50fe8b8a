/// Rows of preference files, one at a time.
package enum PreferenceFile {
  package static let rowByteLimit = RowStream.rowByteLimit

  /// Every row of some files in turn, or the reason why it cannot be used, until `body` returns false.
  ///
  /// - Parameter paths: files, as ``DataFiles`` finds them.
  /// - Returns: how many rows were read.
  /// - Throws: what reading the files throws; what cannot be read has no rows.
  @discardableResult
  package static func forEachRow(
    in paths: [String], _ body: (Result<PreferenceRow, any Error>) throws -> Bool
  ) throws -> Int {
    let stream = RowStream(paths)
    while let raw = try stream.next() {
      if try !body(Result { try raw.preferenceRow() }) { break }
    }
    return stream.count
  }

  /// One row of some files by its position; nil when there are only `count` rows.
  ///
  /// - Throws: 65 when the row cannot be used, and what reading the files up to it throws.
  package static func row(_ number: Int, in paths: [String]) throws -> (row: PreferenceRow?, count: Int) {
    let stream = RowStream(paths)
    while let raw = try stream.next() {
      if raw.row == number { return (try raw.preferenceRow(), stream.count) }
    }
    return (nil, stream.count)
  }
}
