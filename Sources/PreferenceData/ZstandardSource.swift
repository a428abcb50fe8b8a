import CZstd
import RunFolder

/// The frames of a Zstandard file, one after another, skippable ones passed over (RFC 8878 §3.1).
///
/// Frames whose window passes 128 MiB, which only `zstd --ultra --long` writes, are refused by the library before memory is taken for them.
final class ZstandardSource: ByteSource {
  private let file: any ByteSource
  private let stream: OpaquePointer
  private let storage = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 17, alignment: 16)
  private var input = ZSTD_inBuffer()
  private var isInFrame = false
  private var fileEnded = false

  init(_ file: any ByteSource) throws {
    self.file = file
    guard let stream = ZSTD_createDStream() else {
      throw TregError.inputOutput(at: nil, "no memory for decompression")
    }
    self.stream = stream
    input.src = UnsafeRawPointer(storage.baseAddress)
  }

  deinit {
    ZSTD_freeDStream(stream)
    storage.deallocate()
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    while true {
      if input.pos == input.size, !fileEnded {
        input.size = try file.read(into: storage)
        input.pos = 0
        fileEnded = input.size == 0
      }
      if fileEnded, !isInFrame { return 0 }
      var output = ZSTD_outBuffer(dst: buffer.baseAddress, size: buffer.count, pos: 0)
      let before = input.pos
      let left = ZSTD_decompressStream(stream, &output, &input)
      if ZSTD_isError(left) != 0 {
        throw CompressionDamage.damaged(String(cString: ZSTD_getErrorName(left)))
      }
      isInFrame = left > 0
      if output.pos > 0 { return output.pos }
      if fileEnded, isInFrame, input.pos == before { throw CompressionDamage.cutOff }
    }
  }
}
