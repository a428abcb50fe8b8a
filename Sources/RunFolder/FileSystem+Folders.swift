import Glibc

extension FileSystem {
  /// Creates a folder and those above it; one that exists is fine.
  ///
  /// - Throws: ``TregError``: 73 when a file is in the way or the disk is read-only, 77 without permission.
  package static func createFolder(_ path: String) throws {
    switch kind(of: path) {
    case .folder: return
    case .file, .other: throw TregError.cannotCreate(at: path, "cannot create the folder: a file has that name")
    case nil: break
    }
    let above = parent(of: path)
    if above != path, above != ".", above != "/" { try createFolder(above) }
    // Another rank may create it at the same moment.
    guard Pulse.atFile({ mkdir(path, 0o777) }) == 0 || (errno == EEXIST && kind(of: path) == .folder) else {
      throw error(errno, .creating, path)
    }
  }

  /// The names in a folder, sorted; "." and ".." aside.
  package static func contents(ofFolder path: String) throws -> [String] {
    guard let stream = Pulse.atFile({ opendir(path) }) else {
      if errno == ENOTDIR, kind(of: path) != nil {
        throw TregError.missing(at: path, "expected a folder, found a file")
      }
      throw error(errno, .reading, path)
    }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = Pulse.atFile({ readdir(stream) }) else {
        guard errno == 0 else { throw error(errno, .reading, path) }
        return names.sorted()
      }
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != ".", name != ".." { names.append(name) }
    }
  }

  /// Whether two paths, both there, lead to one file or folder.
  package static func isSame(_ path: String, _ other: String) -> Bool {
    var (first, second) = (stat(), stat())
    guard Pulse.atFile({ stat(path, &first) == 0 && stat(other, &second) == 0 }) else { return false }
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino
  }

  /// Whether what is at `path` lies in a folder, at whatever depth, or is that folder.
  package static func isInside(_ path: String, _ folder: String) -> Bool {
    guard let resolved = realpath(path, nil) else { return false }
    defer { free(resolved) }
    var place = String(cString: resolved)
    while !isSame(place, folder) {
      if place == "/" { return false }
      place = parent(of: place)
    }
    return true
  }

  /// Flushes a folder's names to the disk. File systems that cannot flush a folder say so with `EINVAL`;
  /// nothing more can be done there.
  package static func flush(folder path: String) throws {
    let descriptor = Pulse.atFile { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    guard descriptor >= 0 else { throw error(errno, .writing, path) }
    defer { close(descriptor) }
    guard Pulse.flushing({ fsync(descriptor) }) == 0 || errno == EINVAL || errno == ENOTSUP else {
      throw error(errno, .writing, path)
    }
  }

  /// Removes a file, or a folder with all it holds. Links are removed, never followed; what is missing is fine.
  package static func remove(_ path: String) throws {
    var status = stat()
    guard Pulse.atFile({ lstat(path, &status) }) == 0 else {
      if errno == ENOENT { return }
      throw error(errno, .writing, path)
    }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      guard Pulse.atFile({ unlink(path) }) == 0 || errno == ENOENT else { throw error(errno, .writing, path) }
      return
    }
    for name in try contents(ofFolder: path) { try remove(join(path, name)) }
    guard Pulse.atFile({ rmdir(path) }) == 0 || errno == ENOENT else { throw error(errno, .writing, path) }
  }

  /// Removes what ended processes of this machine left unfinished in a folder (not in those below it).
  ///
  /// - Returns: the names that were removed.
  @discardableResult
  package static func removeLeftovers(in folder: String) throws -> [String] {
    guard kind(of: folder) == .folder else { return [] }
    let abandoned = try contents(ofFolder: folder).filter(TemporaryName.isAbandoned)
    for name in abandoned { try remove(join(folder, name)) }
    return abandoned
  }
}
