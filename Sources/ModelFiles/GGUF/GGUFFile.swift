import RunFolder

/// A GGUF file, version 2 or 3, little-endian: metadata, and tensors under the names that the file gives them.
///
/// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Tensors read are those of ``GGUFTensorType``; one of
/// another type is named when it is read.
package final class GGUFFile: WeightSource {
  struct Entry: Sendable {
    let shape: [Int]
    let typeCode: UInt32
    /// Bytes of the file; nil when the type is not known here, so that its size is not either.
    let range: Range<Int>?
  }

  private let file: RandomAccessFile
  private let entries: [String: Entry]
  let metadata: [String: GGUFValue]
  package let names: [String]

  static let magic: UInt32 = 0x4655_4747

  /// Opens a file and checks its metadata and the place of every tensor.
  ///
  /// - Throws: ``TregError``: 66 when it is missing, 65 when it is truncated, of another format or lies about sizes.
  package init(_ path: String) throws {
    file = try RandomAccessFile(path)
    var cursor = GGUFCursor(file)
    let (tensorCount, metadataCount) = try Self.readFront(&cursor)
    metadata = try Self.readMetadata(&cursor, count: metadataCount)
    entries = try Self.readEntries(&cursor, count: tensorCount, alignment: Self.alignment(metadata, cursor))
    names = entries.keys.sorted()
  }

  package var place: String { file.path }
  package var files: [String] { [file.path] }

  package func shape(of name: String) -> [Int]? { entries[name]?.shape }

  package func storedType(of name: String) -> String? { entries[name].map { GGUFTensorType.name(of: $0.typeCode) } }

  package func requireReadable(_ name: String) throws { _ = try readable(name) }

  private func readable(_ name: String) throws -> (GGUFTensorType, Entry, Range<Int>) {
    guard let entry = entries[name] else { preconditionFailure("no tensor named \(name)") }
    guard let type = GGUFTensorType(rawValue: entry.typeCode), let range = entry.range else {
      throw failure(
        "tensor \(name) is stored as \(GGUFTensorType.name(of: entry.typeCode)), \(GGUFTensorType.refusal(of: entry.typeCode))"
      )
    }
    return (type, entry, range)
  }

  package func read(_ name: String, into values: inout MutableSpan<Float>) throws {
    let (type, entry, range) = try readable(name)
    precondition(values.count == entry.shape.reduce(1, *), "tensor \(name) has another size")
    try values.withUnsafeMutableBufferPointer { buffer in
      switch type {
      case .f32: try Conversion.read(.float32, from: file, at: range.lowerBound, into: buffer)
      case .f16: try Conversion.read(.float16, from: file, at: range.lowerBound, into: buffer)
      case .bf16: try Conversion.read(.bfloat16, from: file, at: range.lowerBound, into: buffer)
      case .f64: try readDoubles(at: range.lowerBound, into: buffer)
      default: try readBlocks(type, at: range.lowerBound, into: buffer)
      }
    }
  }

  /// Numbers of 64 bits, rounded to fp32.
  private func readDoubles(at offset: Int, into values: UnsafeMutableBufferPointer<Float>) throws {
    let buffer = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: min(Conversion.piece, max(values.count, 1)))
    defer { buffer.deallocate() }
    for start in stride(from: 0, to: values.count, by: buffer.count) {
      let count = min(buffer.count, values.count - start)
      try file.read(
        at: offset + 8 * start,
        into: UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: buffer[..<count])))
      for index in 0..<count { values[start + index] = Float(Double(bitPattern: UInt64(littleEndian: buffer[index]))) }
    }
  }

  private func readBlocks(_ type: GGUFTensorType, at offset: Int, into values: UnsafeMutableBufferPointer<Float>) throws
  {
    let total = values.count / type.blockCount
    let piece = min(Conversion.piece / type.blockCount, max(total, 1))
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: piece * type.blockSize, alignment: 64)
    defer { buffer.deallocate() }
    var done = 0
    while done < total {
      let count = min(piece, total - done)
      try file.read(
        at: offset + done * type.blockSize,
        into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<(count * type.blockSize)]))
      Dequantisation.expand(
        type, UnsafeRawPointer(buffer.baseAddress!), count: count, into: values.baseAddress! + done * type.blockCount)
      done += count
    }
  }
}

extension GGUFFile {
  private static func readFront(_ cursor: inout GGUFCursor) throws -> (tensors: Int, metadata: Int) {
    guard cursor.remaining >= 4, try cursor.integer(UInt32.self, "the first four bytes") == magic else {
      throw cursor.failure("not a GGUF file: it does not start with GGUF")
    }
    let version = try cursor.integer(UInt32.self, "the version")
    guard version == 2 || version == 3 else {
      if version.byteSwapped == 2 || version.byteSwapped == 3 {
        throw cursor.failure("a big-endian GGUF file, expected little-endian")
      }
      throw cursor.failure("GGUF version \(version), expected 2 or 3")
    }
    // A tensor's entry takes at least a name's length, one dimension count, a type and an offset; a key a length, a
    // type and a byte.
    let tensors = try cursor.count("the number of tensors", minimumSize: 24)
    let metadata = try cursor.count("the number of metadata keys", minimumSize: 13)
    return (tensors, metadata)
  }

  private static func readMetadata(_ cursor: inout GGUFCursor, count: Int) throws -> [String: GGUFValue] {
    var metadata: [String: GGUFValue] = [:]
    var budget = GGUFValue.maximumElements
    for index in 0..<count {
      let key = try cursor.string("the name of metadata key \(index)")
      let value = try GGUFValue(from: &cursor, key: key, budget: &budget)
      guard metadata.updateValue(value, forKey: key) == nil else {
        throw cursor.failure("metadata \(key) stands twice")
      }
    }
    return metadata
  }

  private static func alignment(_ metadata: [String: GGUFValue], _ cursor: GGUFCursor) throws -> Int {
    guard let value = metadata["general.alignment"] else { return 32 }
    guard case .integer(let alignment) = value, alignment > 0, alignment <= 1 << 20, alignment & (alignment - 1) == 0
    else { throw cursor.failure("metadata general.alignment must be a power of two") }
    return alignment
  }

  private static func readEntries(
    _ cursor: inout GGUFCursor, count: Int, alignment: Int
  ) throws -> [String: Entry] {
    struct Row {
      let name: String
      let shape: [Int]
      let typeCode: UInt32
      let offset: UInt64
    }
    var rows: [Row] = []
    for index in 0..<count {
      let name = try cursor.string("the name of tensor \(index)")
      let dimensions = try cursor.integer(UInt32.self, "tensor \(name)")
      guard (1...4).contains(dimensions) else {
        throw cursor.failure("tensor \(name) has \(dimensions) dimensions, expected 1 to 4")
      }
      var shape: [Int] = []
      var product = 1
      for _ in 0..<dimensions {
        let size = try cursor.integer(UInt64.self, "tensor \(name)")
        // No tensor has 2^48 elements; the bound keeps every later product inside 64 bits.
        guard size <= 1 << 48, case (let count, let overflow) = product.multipliedReportingOverflow(by: Int(size)),
          !overflow, count <= 1 << 48
        else { throw cursor.failure("tensor \(name) has an impossible size") }
        product = count
        shape.append(Int(size))
      }
      let typeCode = try cursor.integer(UInt32.self, "tensor \(name)")
      let offset = try cursor.integer(UInt64.self, "tensor \(name)")
      // The file lists the fastest dimension first.
      rows.append(Row(name: name, shape: shape.reversed(), typeCode: typeCode, offset: offset))
    }
    // A file without tensors (a vocabulary alone) may end before the padding.
    let start = (cursor.position + alignment - 1) / alignment * alignment
    var entries: [String: Entry] = [:]
    for row in rows {
      let entry = Entry(
        shape: row.shape, typeCode: row.typeCode,
        range: try range(row.name, row.shape, row.typeCode, row.offset, start, alignment, cursor))
      guard entries.updateValue(entry, forKey: row.name) == nil else {
        throw cursor.failure("tensor \(row.name) stands twice")
      }
    }
    return entries
  }

  private static func range(
    _ name: String, _ shape: [Int], _ typeCode: UInt32, _ offset: UInt64, _ start: Int, _ alignment: Int,
    _ cursor: GGUFCursor
  ) throws -> Range<Int>? {
    guard offset % UInt64(alignment) == 0 else {
      throw cursor.failure("tensor \(name) starts at byte \(offset) of the data, expected a multiple of \(alignment)")
    }
    guard let type = GGUFTensorType(rawValue: typeCode) else { return nil }
    let rowLength = shape.last ?? 1
    guard rowLength % type.blockCount == 0 else {
      throw cursor.failure(
        "tensor \(name): rows of \(rowLength) numbers do not divide into blocks of \(type.blockCount)")
    }
    let size = shape.reduce(1, *) / type.blockCount * type.blockSize
    guard offset <= UInt64(Int.max / 2), start + Int(offset) + size <= cursor.file.size else {
      throw cursor.failure(
        "truncated: tensor \(name) needs \(size) bytes from byte \(offset) of the data, the file has \(max(cursor.file.size - start, 0)) there"
      )
    }
    return (start + Int(offset))..<(start + Int(offset) + size)
  }
}
