import Glibc
import OrderedJSON

/// The right to write a run's folder: one process at a time has it.
///
/// The kernel holds the lock (`flock`) and frees it when the process ends, however it ends; so a lock file that
/// lies about is harmless. The file names its holder for the message that refuses others.
package struct FolderLock: Sendable {
  private let descriptor: Int32

  /// Takes the lock of the file at `path`, which is created when missing.
  ///
  /// - Throws: ``TregError`` 73 when another process has it (with its number, host and start), or when the file
  ///   system has no locks; 77 without permission.
  package init(_ path: String) throws {
    let descriptor = Pulse.atFile { open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666) }
    guard descriptor >= 0 else { throw FileSystem.error(errno, .creating, path) }
    do {
      while Pulse.atFile({ flock(descriptor, LOCK_EX | LOCK_NB) }) != 0 {
        if errno == EINTR { continue }
        if errno == EWOULDBLOCK { throw Self.refusal(path) }
        throw TregError.cannotCreate(
          at: path, "the file system cannot lock files: \(String(cString: strerror(errno)))")
      }
      try Self.nameHolder(descriptor, path)
    } catch {
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
  }

  /// Gives the lock back; it must not be used afterwards. Without this call it lasts as long as the process.
  package consuming func release() {
    close(descriptor)
  }

  private static func nameHolder(_ descriptor: Int32, _ path: String) throws {
    let holder: JSONValue = [
      "process": .integer(Machine.processIdentifier), "host": .string(Machine.hostName),
      "started": .string(Machine.timestamp()),
    ]
    var text = holder.text() + "\n"
    guard Pulse.atFile({ ftruncate(descriptor, 0) }) == 0 else { throw FileSystem.error(errno, .writing, path) }
    let count = text.withUTF8 { text in Pulse.atFile { pwrite(descriptor, text.baseAddress, text.count, 0) } }
    guard count >= 0 else { throw FileSystem.error(errno, .writing, path) }
  }

  private static func refusal(_ path: String) -> TregError {
    var holder = "another process"
    if let bytes = try? FileSystem.readBytes(path, maximumCount: 4096), let value = try? JSONValue(parsing: bytes),
      let process = value["process"]?.integer, let host = value["host"]?.string
    {
      holder = "process \(process) on \(host)"
      if let started = value["started"]?.string { holder += ", started \(started)" }
    }
    return .cannotCreate(at: path, "the folder is in use by \(holder)")
  }
}

extension FolderLock {
  /// Looks whether some process has the lock, without taking it. A lock that is missing is free.
  ///
  /// - Throws: ``TregError`` 73 when one has, with its number, host and start.
  package static func check(_ path: String) throws {
    let descriptor = Pulse.atFile { open(path, O_RDONLY | O_CLOEXEC) }
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    if Pulse.atFile({ flock(descriptor, LOCK_SH | LOCK_NB) }) != 0, errno == EWOULDBLOCK { throw refusal(path) }
  }

  package static func isHeld(_ path: String) -> Bool { (try? check(path)) == nil }
}
