import CZlib
import RunFolder

/// The members of a gzip file, one after another (RFC 1952 §2.2).
///
/// zlib's own file reader ends in silence where a later member's header is damaged; here that is an error. Zero
/// bytes after the last member are padding, as gzip has it.
final class GzipSource: ByteSource {
  private let file: any ByteSource
  private var stream = z_stream()
  private let input = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
  private var isBetweenMembers = false
  private var ended = false

  init(_ file: any ByteSource) throws {
    self.file = file
    // 15 bits of window and 16 for gzip's header.
    guard inflateInit2_(&stream, 31, zlibVersion(), Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw TregError.inputOutput(at: nil, "no memory for decompression")
    }
  }

  deinit {
    inflateEnd(&stream)
    input.deallocate()
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    while !ended {
      if stream.avail_in == 0, try !fill() {
        guard isBetweenMembers else { throw CompressionDamage.cutOff }
        ended = true
        break
      }
      if isBetweenMembers {
        if stream.next_in.pointee == 0 {
          stream.next_in += 1
          stream.avail_in -= 1
          continue
        }
        guard inflateReset(&stream) == Z_OK else { throw CompressionDamage.damaged("it cannot be read on") }
        isBetweenMembers = false
      }
      stream.next_out = buffer.bindMemory(to: UInt8.self).baseAddress
      stream.avail_out = UInt32(buffer.count)
      let status = inflate(&stream, Z_NO_FLUSH)
      let count = buffer.count - Int(stream.avail_out)
      switch status {
      case Z_STREAM_END: isBetweenMembers = true
      case Z_OK, Z_BUF_ERROR: break
      case Z_MEM_ERROR: throw TregError.inputOutput(at: nil, "no memory for decompression")
      default: throw CompressionDamage.damaged(stream.msg.map { String(cString: $0) } ?? "unknown error")
      }
      if count > 0 { return count }
    }
    return 0
  }

  private func fill() throws -> Bool {
    let count = try file.read(into: input)
    stream.next_in = input.bindMemory(to: UInt8.self).baseAddress
    stream.avail_in = UInt32(count)
    return count > 0
  }
}
