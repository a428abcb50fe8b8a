import Glibc

/// A file that only grows, line by line, such as metrics or a log.
///
/// Each line leaves in one call, so readers never see half of one, and it is in the kernel's hands when the call
/// returns: a killed process loses nothing.
package struct AppendingFile: ~Copyable {
  private let descriptor: Int32
  private let path: String

  /// Opens the file for appending and creates it when missing.
  package init(_ path: String) throws {
    self.path = path
    descriptor = Pulse.atFile { open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666) }
    guard descriptor >= 0 else { throw FileSystem.error(errno, .creating, path) }
  }

  deinit {
    close(descriptor)
  }

  /// Appends `line` and a line feed, all of it or nothing: what fits of it on a full disk is taken back.
  package func append(_ line: String) throws {
    var text = line + "\n"
    let end = lseek(descriptor, 0, SEEK_END)
    try text.withUTF8 { bytes in
      var sent = 0
      while sent < bytes.count {
        let count = Pulse.atFile { Glibc.write(descriptor, bytes.baseAddress! + sent, bytes.count - sent) }
        if count < 0 {
          if errno == EINTR { continue }
          let number = errno
          if end >= 0, sent > 0 { _ = ftruncate(descriptor, end) }
          throw FileSystem.error(number, .writing, path)
        }
        sent += count
      }
    }
  }

  /// Flushes what was appended to the disk.
  package func flush() throws {
    guard Pulse.flushing({ fsync(descriptor) }) == 0 || errno == EINVAL else {
      throw FileSystem.error(errno, .writing, path)
    }
  }
}
