import CZlib
import RunFolder

/// The pages of one column chunk, read from the file one after the other and decompressed.
struct PageSource {
  private let file: RandomAccessFile
  private let codec: Codec
  /// Where the next page's header starts.
  private(set) var offset: Int
  private let end: Int
  let workspace: PageWorkspace

  /// - Parameter range: bytes of the file, already checked to lie in it.
  init(file: RandomAccessFile, range: Range<Int>, codec: Codec, workspace: PageWorkspace) {
    self.file = file
    self.codec = codec
    self.workspace = workspace
    offset = range.lowerBound
    end = range.upperBound
  }

  /// The header of the next page, which starts at ``offset``.
  func header() throws -> PageHeader {
    guard offset < end else { throw Damage("the column ends before its last value") }
    let limit = min(end - offset, ParquetLimits.headerByteCount)
    var count = min(limit, 256)
    while true {
      workspace.compressed.resize(count)
      try file.read(at: offset, into: workspace.compressed.bytes)
      do {
        let header = try PageHeader(parsing: UnsafeRawBufferPointer(workspace.compressed.bytes))
        guard header.compressedSize <= end - offset - header.headerSize else {
          throw Damage(
            "it claims \(header.compressedSize) bytes, the column has \(end - offset - header.headerSize) left")
        }
        return header
      } catch let damage as Damage where damage.isShort {
        guard count < limit else {
          if limit == end - offset { throw Damage("the column ends inside the header of a page") }
          throw Damage("the header of a page takes more than \(limit) bytes")
        }
        count = min(limit, count * 8)
      }
    }
  }

  mutating func skip(_ header: PageHeader) { offset += header.headerSize + header.compressedSize }

  /// Fills `buffer` with the page whose header was just read, decompressed, and goes on to the next one.
  mutating func read(_ header: PageHeader, into buffer: PageBuffer) throws {
    let start = offset + header.headerSize
    skip(header)
    let plain = header.kind == PageKind.dataV2.rawValue ? header.definitionSize + header.repetitionSize : 0
    let isCompressed = codec != .uncompressed && header.isCompressed
    if !isCompressed {
      guard header.uncompressedSize == header.compressedSize else {
        throw Damage(
          "it is not compressed, but has \(header.compressedSize) bytes and claims \(header.uncompressedSize)")
      }
      try workspace.hold(header.compressedSize - buffer.capacity)
      buffer.resize(header.compressedSize)
      try file.read(at: start, into: buffer.bytes)
      try check(header, buffer.bytes)
      return
    }
    guard
      header.uncompressedSize
        <= max(ParquetLimits.smallPageByteCount, ParquetLimits.expansion * header.compressedSize)
    else {
      throw Damage("\(header.compressedSize) bytes claim to be \(header.uncompressedSize) bytes compressed")
    }
    guard plain <= min(header.compressedSize, header.uncompressedSize) else {
      throw Damage("its levels claim \(plain) bytes, it has \(header.compressedSize)")
    }
    let compressed = workspace.compressed
    compressed.resize(header.compressedSize)
    try file.read(at: start, into: compressed.bytes)
    try check(header, compressed.bytes)
    try workspace.hold(header.uncompressedSize - buffer.capacity)
    buffer.resize(header.uncompressedSize)
    UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<plain]).copyMemory(
      from: UnsafeRawBufferPointer(rebasing: compressed.bytes[..<plain]))
    // Some writers compress a page without values to nothing.
    if header.uncompressedSize == plain, header.compressedSize == plain { return }
    try workspace.decompressor.decompress(
      UnsafeRawBufferPointer(rebasing: compressed.bytes[plain...]), codec,
      into: UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[plain...]))
  }

  private func check(_ header: PageHeader, _ bytes: UnsafeMutableRawBufferPointer) throws {
    guard let expected = header.checksum else { return }
    let pointer = bytes.assumingMemoryBound(to: UInt8.self).baseAddress
    // A null pointer would ask for the initial value, which is also what no bytes give.
    let found = UInt32(truncatingIfNeeded: crc32(0, pointer, UInt32(bytes.count)))
    guard found == expected else { throw Damage("its checksum is wrong: the file is damaged") }
  }
}

/// What the columns of a reader share, as they take turns.
final class PageWorkspace {
  let compressed = PageBuffer()
  let decompressor = Decompressor()
  private var held = 0
  private let limit: Int

  /// - Parameter byteCount: compressed bytes of the columns that are read.
  init(byteCount: Int) {
    limit = ParquetLimits.heldByteCount + min(byteCount, 1 << 40) * ParquetLimits.heldExpansion
  }

  /// Counts bytes that a column is about to keep beside those it has; none when `count` is negative.
  func hold(_ count: Int) throws {
    held += max(0, count)
    guard held <= limit else {
      throw Damage("pages and dictionaries of the columns take more than \(limit >> 20) MiB, which is not read")
    }
  }
}
