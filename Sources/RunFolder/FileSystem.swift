import Glibc

/// Calls to the file system whose failures are lines that users understand.
///
/// Foundation would do, but its errors neither tell a full disk from a missing folder nor carry an exit code.
package enum FileSystem {
  /// What was being done when a call failed; it decides between the exit codes.
  package enum Operation: Sendable {
    case reading
    case creating
    case writing

    fileprivate var words: String {
      switch self {
      case .reading: "cannot read it"
      case .creating: "cannot create it"
      case .writing: "cannot write it"
      }
    }
  }

  /// The error for a failed call.
  ///
  /// A full disk or quota is 74, a missing permission 77, a missing file 66 when reading, and a place that
  /// cannot hold the file (no such folder, a file where a folder should be, a read-only disk) 73.
  package static func error(_ number: Int32, _ operation: Operation, _ path: String) -> TregError {
    switch (number, operation) {
    case (ENOSPC, _): .inputOutput(at: path, "disk full while writing")
    case (EDQUOT, _): .inputOutput(at: path, "disk quota used up while writing")
    case (EFBIG, _): .inputOutput(at: path, "the file grows beyond the size that is allowed here")
    case (EACCES, _), (EPERM, _): TregError(.permission, at: path, "permission denied: \(operation.words)")
    case (EROFS, _): .cannotCreate(at: path, "the file system is read-only")
    case (ENOENT, .reading): .missing(at: path, "no such file or folder")
    case (ENOTDIR, .reading): .missing(at: path, "no such file: a part of its path is not a folder")
    case (EISDIR, .reading): .missing(at: path, "expected a file, found a folder")
    case (ENOENT, .creating): .cannotCreate(at: path, "cannot create it: its folder does not exist")
    case (ENOTDIR, .creating): .cannotCreate(at: path, "cannot create it: a part of its path is not a folder")
    case (EISDIR, .creating): .cannotCreate(at: path, "cannot create it: a folder has that name")
    case (_, .creating): .cannotCreate(at: path, "cannot create it: \(String(cString: strerror(number)))")
    default: .inputOutput(at: path, "\(operation.words): \(String(cString: strerror(number)))")
    }
  }
}

extension FileSystem {
  /// `folder/name`, with one separator.
  package static func join(_ folder: String, _ name: String) -> String {
    if folder.isEmpty { return name }
    return folder.utf8.last == UInt8(ascii: "/") ? folder + name : folder + "/" + name
  }

  /// Bytes of a file.
  ///
  /// - Throws: 66, 77 or 74 when it cannot be looked at.
  package static func size(of path: String) throws -> Int {
    var status = stat()
    guard Pulse.atFile({ stat(path, &status) }) == 0 else { throw error(errno, .reading, path) }
    return Int(status.st_size)
  }

  /// The last part of a path, trailing separators aside.
  package static func name(of path: String) -> String {
    String(path.split(separator: "/", omittingEmptySubsequences: true).last ?? "/")
  }

  /// The folder that holds `path`: "." for a bare name.
  package static func parent(of path: String) -> String {
    var trimmed = path[...]
    while trimmed.count > 1, trimmed.last == "/" { trimmed.removeLast() }
    guard let slash = trimmed.lastIndex(of: "/") else { return "." }
    return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
  }

  package enum Kind: Sendable { case file, folder, other }

  /// What `path` names, symbolic links followed; nil when nothing is there or it cannot be looked at.
  package static func kind(of path: String) -> Kind? {
    var status = stat()
    guard Pulse.atFile({ stat(path, &status) }) == 0 else { return nil }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return .file
    case S_IFDIR: return .folder
    default: return .other
    }
  }

  /// All bytes of a file.
  ///
  /// - Parameter maximumCount: a larger file is refused (65) before memory is taken for it.
  package static func readBytes(_ path: String, maximumCount: Int = .max) throws -> [UInt8] {
    let descriptor = Pulse.atFile { open(path, O_RDONLY | O_CLOEXEC) }
    guard descriptor >= 0 else { throw error(errno, .reading, path) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw error(errno, .reading, path) }
    guard status.st_mode & S_IFMT != S_IFDIR else { throw error(EISDIR, .reading, path) }
    let tooLarge = TregError.badData(at: path, "the file is larger than \(maximumCount) bytes")
    guard Int(status.st_size) <= maximumCount else { throw tooLarge }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(status.st_size))
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
    defer { piece.deallocate() }
    while true {
      let count = Pulse.atFile { read(descriptor, piece.baseAddress, piece.count) }
      if count == 0 { return bytes }
      if count < 0 {
        if errno == EINTR { continue }
        throw error(errno, .reading, path)
      }
      guard bytes.count + count <= maximumCount else { throw tooLarge }
      bytes.append(contentsOf: piece[..<count])
    }
  }

  /// The text of a file; bytes that are not UTF-8 are an error (65).
  package static func readText(_ path: String, maximumCount: Int = .max) throws -> String {
    let bytes = try readBytes(path, maximumCount: maximumCount)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw TregError.badData(at: path, "the text is not UTF-8")
    }
    return text
  }
}
