import CSnappy
import CZlib
import CZstd

/// Undoes the compression of pages; one serves all columns of a reader.
///
/// The size that a page claims is believed within ``ParquetLimits`` only, and the result must have exactly that size.
final class Decompressor {
  private var zstd: OpaquePointer?

  deinit { ZSTD_freeDCtx(zstd) }

  /// - Throws: ``Damage`` naming a codec that is not read.
  static func codec(_ code: Int) throws -> Codec {
    guard let codec = Codec(rawValue: code) else { throw Damage("compression \(code) is unknown") }
    switch codec {
    case .uncompressed, .snappy, .gzip, .zstd: return codec
    case .lzo, .brotli, .lz4, .lz4Raw:
      throw Damage("compression \(codec.name) is not read; write the file with snappy, zstd or gzip")
    }
  }

  func decompress(_ source: UnsafeRawBufferPointer, _ codec: Codec, into target: UnsafeMutableRawBufferPointer) throws {
    switch codec {
    case .uncompressed:
      guard source.count == target.count else {
        throw Damage("it has \(source.count) bytes, its header claims \(target.count)")
      }
      target.copyMemory(from: source)
    case .snappy: try snappy(source, into: target)
    case .gzip: try gzip(source, into: target)
    case .zstd: try zstd(source, into: target)
    case .lzo, .brotli, .lz4, .lz4Raw: preconditionFailure("refused when the column was opened")
    }
  }

  private func failure(_ codec: Codec) -> Damage { Damage("its \(codec.name) compression is damaged") }

  private func failure(size: Int, claimed: Int) -> Damage {
    Damage("it decompresses to \(size) bytes, its header claims \(claimed)")
  }

  private func snappy(_ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer) throws {
    let input = source.assumingMemoryBound(to: CChar.self).baseAddress
    var size = 0
    guard snappy_uncompressed_length(input, source.count, &size) == SNAPPY_OK else { throw failure(.snappy) }
    guard size == target.count else { throw failure(size: size, claimed: target.count) }
    let output = target.assumingMemoryBound(to: CChar.self).baseAddress
    guard snappy_uncompress(input, source.count, output, &size) == SNAPPY_OK, size == target.count else {
      throw failure(.snappy)
    }
  }

  private func zstd(_ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer) throws {
    if zstd == nil { zstd = ZSTD_createDCtx() }
    let size = ZSTD_decompressDCtx(zstd, target.baseAddress, target.count, source.baseAddress, source.count)
    guard ZSTD_isError(size) == 0 else {
      throw Damage("its ZSTD compression is damaged: \(String(cString: ZSTD_getErrorName(size)))")
    }
    guard size == target.count else { throw failure(size: size, claimed: target.count) }
  }

  /// Several gzip members may follow each other.
  private func gzip(_ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer) throws {
    var stream = z_stream()
    // 32: a gzip or a zlib head, whichever is there; some writers take the latter for the former.
    guard inflateInit2_(&stream, 15 + 32, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw Damage("no memory for decompression")
    }
    defer { inflateEnd(&stream) }
    stream.next_in = UnsafeMutablePointer(mutating: source.assumingMemoryBound(to: UInt8.self).baseAddress)
    stream.avail_in = UInt32(source.count)
    stream.next_out = target.assumingMemoryBound(to: UInt8.self).baseAddress
    stream.avail_out = UInt32(target.count)
    while true {
      let status = inflate(&stream, Z_FINISH)
      guard status == Z_STREAM_END else {
        if status == Z_BUF_ERROR, stream.avail_out == 0 {
          throw Damage("it decompresses to more than the \(target.count) bytes its header claims")
        }
        throw failure(.gzip)
      }
      if stream.avail_in == 0 { break }
      guard inflateReset(&stream) == Z_OK else { throw failure(.gzip) }
    }
    guard stream.avail_out == 0 else {
      throw failure(size: target.count - Int(stream.avail_out), claimed: target.count)
    }
  }
}
