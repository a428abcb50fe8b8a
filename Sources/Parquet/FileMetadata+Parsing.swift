extension FileMetadata {
  /// Parses `FileMetaData` of parquet.thrift; fields that reading does not need are passed over.
  init(parsing bytes: UnsafeRawBufferPointer) throws {
    var reader = CompactReader(bytes)
    var metadata = FileMetadata()
    try reader.structure { reader, field, kind in
      switch field {
      case 2: try reader.list(kind, of: .structure) { metadata.schema.append(try SchemaElement(parsing: &$0)) }
      case 3: metadata.rowCount = try reader.integer(kind)
      case 4: try reader.list(kind, of: .structure) { metadata.rowGroups.append(try RowGroup(parsing: &$0)) }
      case 8:
        metadata.isEncrypted = true
        try reader.skip(kind)
      default: try reader.skip(kind)
      }
    }
    self = metadata
  }
}

extension FileMetadata.SchemaElement {
  fileprivate init(parsing reader: inout CompactReader) throws {
    var element = Self()
    var converted: Int?
    var scale = 0
    var isNamed = false
    try reader.structure { reader, field, kind in
      switch field {
      case 1:
        let code = try reader.integer(kind)
        guard let type = PhysicalType(rawValue: code) else { throw Damage("unknown physical type \(code)") }
        element.type = type
      case 2: element.typeLength = try reader.integer(kind)
      case 3:
        let code = try reader.integer(kind)
        guard let repetition = Repetition(rawValue: code) else { throw Damage("unknown repetition \(code)") }
        element.repetition = repetition
      case 4:
        element.name = try reader.text(kind)
        isNamed = true
      case 5: element.childCount = try reader.integer(kind)
      case 6: converted = try reader.integer(kind)
      case 7: scale = try reader.integer(kind)
      case 10: element.logical = try LogicalType(parsing: &reader, kind)
      default: try reader.skip(kind)
      }
    }
    guard isNamed else { throw Damage("a schema element has no name") }
    if case .none = element.logical, let converted { element.logical = LogicalType(converted: converted, scale: scale) }
    self = element
  }
}

extension FileMetadata.RowGroup {
  fileprivate init(parsing reader: inout CompactReader) throws {
    var group = Self()
    var hasRowCount = false
    try reader.structure { reader, field, kind in
      switch field {
      case 1:
        try reader.list(kind, of: .structure) { group.columns.append(try FileMetadata.ColumnChunk(parsing: &$0)) }
      case 3:
        group.rowCount = try reader.integer(kind)
        hasRowCount = true
      default: try reader.skip(kind)
      }
    }
    guard hasRowCount, group.rowCount >= 0 else { throw Damage("a row group has no number of rows") }
    self = group
  }
}

extension FileMetadata.ColumnChunk {
  fileprivate init(parsing reader: inout CompactReader) throws {
    var chunk = Self()
    var isDescribed = false
    try reader.structure { reader, field, kind in
      switch field {
      case 1:
        chunk.isExternal = true
        try reader.skip(kind)
      case 3:
        isDescribed = true
        try reader.expect(kind, .structure)
        try chunk.parseMetadata(&reader)
      case 8:
        chunk.isEncrypted = true
        try reader.skip(kind)
      default: try reader.skip(kind)
      }
    }
    guard isDescribed || chunk.isEncrypted else { throw Damage("a column chunk is not described") }
    self = chunk
  }

  private mutating func parseMetadata(_ reader: inout CompactReader) throws {
    var chunk = self
    try reader.structure { reader, field, kind in
      switch field {
      case 1: chunk.type = PhysicalType(rawValue: try reader.integer(kind))
      case 3: try reader.list(kind, of: .binary) { chunk.path.append(try $0.text(.binary)) }
      case 4: chunk.codec = try reader.integer(kind)
      case 5: chunk.valueCount = try reader.integer(kind)
      case 7: chunk.compressedSize = try reader.integer(kind)
      case 9: chunk.dataOffset = try reader.integer(kind)
      case 11: chunk.dictionaryOffset = try reader.integer(kind)
      default: try reader.skip(kind)
      }
    }
    self = chunk
  }
}
