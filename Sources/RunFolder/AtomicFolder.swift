import Glibc

/// A folder that is either whole or not there, such as a checkpoint.
///
/// Its files are written under a temporary name beside the target. ``commit()`` flushes them and gives the
/// folder its name. Ranks that share a file system write into the same ``temporaryPath``; only the one that
/// began the folder commits it, after all have written.
package struct AtomicFolder: Sendable {
  package let path: String
  /// Where the files go until the folder is committed.
  package let temporaryPath: String

  /// Creates the temporary folder.
  ///
  /// - Throws: ``TregError``: 73 when it cannot be created, 77 without permission.
  package init(at path: String) throws {
    self.path = path
    temporaryPath = try TemporaryName.create(beside: path) { mkdir($0, 0o777) }.path
  }

  /// Flushes every file to the disk, then renames. A folder that already has the name is replaced.
  ///
  /// Where the file system cannot exchange two names at once, replacing takes two renames: between them a reader finds no
  /// folder, and a process killed there leaves the old one under a temporary name.
  package func commit() throws {
    try FileSystem.flush(tree: temporaryPath)
    var replaced: String?
    if FileSystem.kind(of: path) != nil {
      if FileSystem.exchange(temporaryPath, path) {
        try FileSystem.flush(folder: FileSystem.parent(of: path))
        return try FileSystem.remove(temporaryPath)
      }
      let aside = try TemporaryName.create(beside: path) { mkdir($0, 0o777) }.path
      guard Pulse.atFile({ rename(path, aside) }) == 0 else {
        let number = errno
        rmdir(aside)
        throw FileSystem.error(number, .creating, path)
      }
      replaced = aside
    }
    guard Pulse.atFile({ rename(temporaryPath, path) }) == 0 else {
      let number = errno
      if let replaced { rename(replaced, path) }
      throw FileSystem.error(number, .creating, path)
    }
    try FileSystem.flush(folder: FileSystem.parent(of: path))
    if let replaced { try FileSystem.remove(replaced) }
  }

  /// Removes the temporary folder.
  package func discard() throws {
    try FileSystem.remove(temporaryPath)
  }

  /// Removes a folder so that no part of it is ever found under its name: at first it takes that of an unfinished one, which the next
  /// start clears away should this process end before all is gone. Works on a full disk.
  ///
  /// - Throws: ``TregError``: 74 when it cannot be removed, 77 without permission.
  package static func remove(_ path: String) throws {
    let aside = try TemporaryName.create(beside: path, .writing) { rename(path, $0) }.path
    try FileSystem.flush(folder: FileSystem.parent(of: path))
    try FileSystem.remove(aside)
  }

  /// Fills a folder by `body`, which is given the temporary path. When it throws, nothing is left behind.
  @discardableResult
  package static func write<Result>(to path: String, _ body: (String) throws -> Result) throws -> Result {
    let folder = try AtomicFolder(at: path)
    do {
      let result = try body(folder.temporaryPath)
      try folder.commit()
      return result
    } catch {
      // The first failure is the one to report, so a second one here stays unsaid.
      try? folder.discard()
      throw error
    }
  }
}

extension FileSystem {
  /// Gives each of two files or folders the other's name, in one step; false where that cannot be done.
  ///
  /// renameat2(2). Swift does not see it, since glibc declares it for _GNU_SOURCE alone.
  fileprivate static func exchange(_ path: String, _ other: String) -> Bool {
    typealias Rename = @convention(c) (Int32, UnsafePointer<CChar>, Int32, UnsafePointer<CChar>, UInt32) -> Int32
    guard let address = dlsym(nil, "renameat2") else { return false }
    let exchange: UInt32 = 2
    return Pulse.atFile { unsafeBitCast(address, to: Rename.self)(AT_FDCWD, path, AT_FDCWD, other, exchange) } == 0
  }

  /// Flushes all files of a folder, and those below it, to the disk.
  fileprivate static func flush(tree path: String) throws {
    for name in try contents(ofFolder: path) {
      let entry = join(path, name)
      var status = stat()
      guard Pulse.atFile({ lstat(entry, &status) }) == 0 else { throw error(errno, .reading, entry) }
      switch status.st_mode & S_IFMT {
      case S_IFDIR: try flush(tree: entry)
      case S_IFREG:
        let descriptor = Pulse.atFile { open(entry, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw error(errno, .reading, entry) }
        defer { close(descriptor) }
        guard Pulse.flushing({ fsync(descriptor) }) == 0 else { throw error(errno, .writing, entry) }
      default: break
      }
    }
    try flush(folder: path)
  }
}
