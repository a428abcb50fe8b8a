/// What stands before a page: its kind, sizes, number of values and encodings.
struct PageHeader {
  /// As written; see ``PageKind``.
  var kind = -1
  var uncompressedSize = -1
  var compressedSize = -1
  /// CRC-32 of the page as it lies in the file.
  var checksum: UInt32?
  var valueCount = -1
  var encoding = -1
  var definitionEncoding = Encoding.runLength.rawValue
  var repetitionEncoding = Encoding.runLength.rawValue
  /// Second version: bytes of levels, which lie uncompressed before the values.
  var definitionSize = 0
  var repetitionSize = 0
  var isCompressed = true
  /// Bytes of the header itself.
  var headerSize = 0

  /// Parses `PageHeader` of parquet.thrift.
  ///
  /// - Throws: ``Damage``, with `isShort` when `bytes` end inside the header.
  init(parsing bytes: UnsafeRawBufferPointer) throws {
    var reader = CompactReader(bytes)
    var header = self
    try reader.structure { reader, field, kind in
      switch field {
      case 1: header.kind = try reader.integer(kind)
      case 2: header.uncompressedSize = try reader.integer(kind)
      case 3: header.compressedSize = try reader.integer(kind)
      case 4: header.checksum = UInt32(truncatingIfNeeded: try reader.integer(kind))
      case 5, 7: try header.parseValues(&reader, kind)
      case 8: try header.parseSecondVersion(&reader, kind)
      default: try reader.skip(kind)
      }
    }
    header.headerSize = reader.position
    self = header
    guard uncompressedSize >= 0, compressedSize >= 0 else { throw Damage("the header of a page gives no sizes") }
    guard max(uncompressedSize, compressedSize) <= ParquetLimits.pageByteCount else {
      throw Damage(
        "a page has \(max(uncompressedSize, compressedSize)) bytes, at most \(ParquetLimits.pageByteCount) are read")
    }
  }

  /// Number of values and encodings of a first-version data page or of a dictionary.
  private mutating func parseValues(_ reader: inout CompactReader, _ kind: CompactReader.Kind) throws {
    try reader.expect(kind, .structure)
    var header = self
    try reader.structure { reader, field, kind in
      switch (field, kind) {
      case (1, _): header.valueCount = try reader.integer(kind)
      case (2, _): header.encoding = try reader.integer(kind)
      case (3, .int32): header.definitionEncoding = try reader.integer(kind)
      case (4, .int32): header.repetitionEncoding = try reader.integer(kind)
      default: try reader.skip(kind)
      }
    }
    self = header
  }

  private mutating func parseSecondVersion(_ reader: inout CompactReader, _ kind: CompactReader.Kind) throws {
    try reader.expect(kind, .structure)
    var header = self
    try reader.structure { reader, field, kind in
      switch field {
      case 1: header.valueCount = try reader.integer(kind)
      case 4: header.encoding = try reader.integer(kind)
      case 5: header.definitionSize = try reader.integer(kind)
      case 6: header.repetitionSize = try reader.integer(kind)
      case 7: header.isCompressed = try reader.bool(kind)
      default: try reader.skip(kind)
      }
    }
    self = header
  }

  /// Checks what the header says about values.
  func requireValues() throws {
    guard valueCount >= 0 else { throw Damage("the header of a page gives no number of values") }
    guard valueCount <= ParquetLimits.pageValueCount else {
      throw Damage("a page claims \(valueCount) values, at most \(ParquetLimits.pageValueCount) are read")
    }
  }
}
