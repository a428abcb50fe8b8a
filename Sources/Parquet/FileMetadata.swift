/// The footer: the schema as a flat list, and where the columns of each row group lie.
struct FileMetadata {
  /// A node of the schema in depth-first order.
  struct SchemaElement {
    var name = ""
    var type: PhysicalType?
    var typeLength: Int?
    /// Nil for the root alone.
    var repetition: Repetition?
    var childCount = 0
    var logical = LogicalType.none
  }

  struct ColumnChunk {
    var path: [String] = []
    var type: PhysicalType?
    /// As written; see ``Codec``.
    var codec = 0
    var valueCount = 0
    var compressedSize = 0
    var dataOffset = 0
    var dictionaryOffset: Int?
    var isEncrypted = false
    /// Whether it lies in a file of its own.
    var isExternal = false

    /// Where the chunk's first page starts.
    var start: Int {
      if let dictionaryOffset, dictionaryOffset > 0, dictionaryOffset < dataOffset { return dictionaryOffset }
      return dataOffset
    }
  }

  struct RowGroup {
    var columns: [ColumnChunk] = []
    var rowCount = 0
  }

  var schema: [SchemaElement] = []
  var rowCount = 0
  var rowGroups: [RowGroup] = []
  var isEncrypted = false
}
