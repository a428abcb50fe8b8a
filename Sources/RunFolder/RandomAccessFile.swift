import Glibc

/// A file that is read at any offset, by any thread at once.
///
/// `pread` instead of a mapping: a file that shrinks while it is mapped kills the process, a short read is an error.
package final class RandomAccessFile: Sendable {
  package let path: String
  /// Bytes of the file when it was opened.
  package let size: Int
  private let descriptor: Int32

  /// - Throws: ``TregError``: 66 when the file is missing or a folder, 77 when it may not be read.
  package init(_ path: String) throws {
    let descriptor = Pulse.atFile { open(path, O_RDONLY | O_CLOEXEC) }
    guard descriptor >= 0 else { throw FileSystem.error(errno, .reading, path) }
    var status = stat()
    let code = Pulse.atFile { fstat(descriptor, &status) }
    let number = code == 0 && status.st_mode & S_IFMT == S_IFDIR ? EISDIR : errno
    guard code == 0, status.st_mode & S_IFMT != S_IFDIR else {
      close(descriptor)
      throw FileSystem.error(number, .reading, path)
    }
    self.path = path
    self.descriptor = descriptor
    size = Int(status.st_size)
  }

  deinit { close(descriptor) }

  /// Fills `bytes` with what lies at `offset`.
  ///
  /// - Throws: ``TregError`` (74) when the file ends before, or cannot be read.
  package func read(at offset: Int, into bytes: UnsafeMutableRawBufferPointer) throws {
    var done = 0
    while done < bytes.count {
      // Bounded, so that a slow disk shows that it goes on.
      let piece = min(bytes.count - done, 1 << 26)
      let count = Pulse.atFile { pread(descriptor, bytes.baseAddress! + done, piece, off_t(offset + done)) }
      if count < 0 {
        if errno == EINTR { continue }
        throw FileSystem.error(errno, .reading, path)
      }
      guard count > 0 else {
        throw TregError.inputOutput(
          at: path,
          "the file ends at byte \(offset + done), expected \(offset + bytes.count); it was cut while being read")
      }
      done += count
    }
  }

  package func bytes(at offset: Int, count: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      try read(
        at: offset, into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count]))
      initialized = count
    }
  }
}
