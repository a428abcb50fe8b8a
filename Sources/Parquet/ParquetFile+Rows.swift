import OrderedJSON
import RunFolder

extension ParquetFile {
  /// The row group that holds a row of the file.
  package func group(ofRow row: Int) -> Int {
    precondition(row >= 0 && row < rowCount, "no row \(row)")
    var (low, high) = (0, rowGroups.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if rowGroups[middle].firstRow <= row { low = middle } else { high = middle }
    }
    return low
  }

  /// Begins to read the rows of a group.
  ///
  /// - Parameter columns: names of the fields that rows shall have; others are not read at all. Nil: every field.
  /// - Throws: ``TregError``: 65 when a name is none of the file's, a column has a compression or type that is not read, or
  ///   its first page is damaged.
  package func rows(inGroup group: Int, columns: Set<String>? = nil) throws -> ParquetRows {
    if let columns {
      let known = Set(self.columns)
      if let unknown = columns.sorted().first(where: { !known.contains($0) }) {
        throw TregError.badData(
          at: path,
          "there is no column \(unknown); there are \(self.columns.map(SchemaLeaf.printable).joined(separator: ", "))")
      }
    }
    let fields = schema.fields.filter { columns?.contains($0.name) ?? true }
    let workspace = PageWorkspace(
      byteCount: fields.reduce(0) { $0 + $1.leaves.reduce(0) { $0 + chunks[group][$1].compressedSize } })
    var cursors: [ColumnCursor?] = Array(repeating: nil, count: schema.leaves.count)
    for field in fields {
      for leaf in field.leaves { cursors[leaf] = try cursor(group, leaf, workspace) }
    }
    return ParquetRows(
      fields: fields, cursors: cursors, firstRow: rowGroups[group].firstRow, rowCount: rowGroups[group].rowCount,
      place: "\(path): row group \(group)")
  }

  private func cursor(_ group: Int, _ leafIndex: Int, _ workspace: PageWorkspace) throws -> ColumnCursor {
    let chunk = chunks[group][leafIndex]
    let leaf = schema.leaves[leafIndex]
    let place = "\(path): row group \(group), column \(leaf.name)"
    do {
      let codec = try check(chunk, leaf, rowCount: rowGroups[group].rowCount)
      // A column without values may say that it lies nowhere.
      let range = chunk.valueCount == 0 ? 4..<4 : chunk.start..<(chunk.start + chunk.compressedSize)
      return try ColumnCursor(
        leaf: leaf, meaning: leaf.meaning.get(),
        pages: PageSource(file: file, range: range, codec: codec, workspace: workspace),
        valueCount: chunk.valueCount, place: place, firstRow: rowGroups[group].firstRow)
    } catch let damage as Damage {
      throw TregError.badData(at: place, damage.message)
    }
  }

  private func check(_ chunk: FileMetadata.ColumnChunk, _ leaf: SchemaLeaf, rowCount: Int) throws -> Codec {
    if chunk.isEncrypted { throw Damage("the column is encrypted, which is not read") }
    if chunk.isExternal { throw Damage("the column lies in another file, which is not read") }
    guard chunk.type == leaf.type, chunk.path == leaf.path else {
      throw Damage("the footer describes another column in its place")
    }
    if case .unsupported(let name) = try leaf.meaning.get() { throw Damage("values of type \(name) are not read") }
    let codec = try Decompressor.codec(chunk.codec)
    guard
      chunk.valueCount == 0
        || (chunk.start >= 4 && chunk.start <= file.size && chunk.compressedSize <= file.size - chunk.start)
    else {
      throw Damage("\(chunk.compressedSize) bytes from byte \(chunk.start) on are not in the file")
    }
    guard chunk.valueCount >= rowCount, leaf.maximumRepetition > 0 || chunk.valueCount == rowCount else {
      throw Damage("the column claims \(chunk.valueCount) values for \(rowCount) rows")
    }
    return codec
  }
}
