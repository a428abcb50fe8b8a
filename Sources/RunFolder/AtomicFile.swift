import Glibc

/// Files that are either whole or not there.
///
/// Bytes go to a temporary name beside the target, are flushed to the disk, and only then take the target's
/// name; the folder is flushed last, so that the name survives a power cut. When the body or the disk fails, the
/// temporary file is removed and an older file of that name stays as it was.
package enum AtomicFile {
  /// Writes a file through a buffer.
  ///
  /// - Parameter path: the target; a symbolic link is followed, what it names must be a regular file or absent.
  /// - Returns: what `body` returns.
  /// - Throws: what `body` throws, or ``TregError``: 73 when the file cannot be created, 74 when writing fails
  ///   (a full disk is named as such), 77 without permission.
  @discardableResult
  package static func write<Result>(
    to path: String, _ body: (inout Writer) throws -> Result
  ) throws -> Result {
    let target = try resolved(path)
    let (temporary, descriptor) = try TemporaryName.create(beside: target) { name in
      open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    }
    var writer = Writer(descriptor: descriptor, path: path)
    do {
      let result = try body(&writer)
      try writer.finish()
      guard Pulse.atFile({ rename(temporary, target) }) == 0 else { throw FileSystem.error(errno, .creating, path) }
      try FileSystem.flush(folder: FileSystem.parent(of: target))
      return result
    } catch {
      unlink(temporary)
      throw error
    }
  }

  @discardableResult
  package static func write(_ text: String, to path: String) throws -> FileDigest {
    try write(to: path) { writer in
      try writer.write(text)
      return writer.digest
    }
  }

  @discardableResult
  package static func write(_ bytes: [UInt8], to path: String) throws -> FileDigest {
    try write(to: path) { writer in
      try writer.write(bytes)
      return writer.digest
    }
  }

  /// The path itself, or what it links to. Anything but a regular file (a folder, a device, a pipe) is refused:
  /// renaming over it would destroy it.
  private static func resolved(_ path: String) throws -> String {
    switch FileSystem.kind(of: path) {
    case .folder: throw FileSystem.error(EISDIR, .creating, path)
    case .other: throw TregError.cannotCreate(at: path, "not a regular file")
    case nil: return path
    case .file: break
    }
    guard let real = Pulse.atFile({ realpath(path, nil) }) else { throw FileSystem.error(errno, .creating, path) }
    defer { free(real) }
    return String(cString: real)
  }
}

extension AtomicFile {
  /// Bytes on their way to a file, gathered into pieces of 1 MiB.
  package struct Writer: ~Copyable {
    private let descriptor: Int32
    private let path: String
    private let buffer: UnsafeMutableRawBufferPointer
    private var filled = 0
    private var isOpen = true
    private var hash = ContentHash()
    /// Bytes taken so far: the offset in the file at which the next byte will lie.
    package private(set) var count = 0

    /// Of the bytes taken so far.
    package var digest: FileDigest { FileDigest(size: count, hash: hash.hexadecimal) }

    fileprivate init(descriptor: Int32, path: String) {
      self.descriptor = descriptor
      self.path = path
      buffer = .allocate(byteCount: 1 << 20, alignment: 64)
    }

    deinit {
      buffer.deallocate()
      if isOpen { close(descriptor) }
    }

    package mutating func write(_ bytes: UnsafeRawBufferPointer) throws {
      count += bytes.count
      hash.update(bytes)
      if filled + bytes.count > buffer.count { try flush() }
      if bytes.count >= buffer.count {
        try send(bytes)
      } else if let start = bytes.baseAddress {
        (buffer.baseAddress! + filled).copyMemory(from: start, byteCount: bytes.count)
        filled += bytes.count
      }
    }

    package mutating func write(_ bytes: [UInt8]) throws {
      try bytes.withUnsafeBytes { try write($0) }
    }

    package mutating func write(_ text: String) throws {
      var text = text
      try text.withUTF8 { try write(UnsafeRawBufferPointer($0)) }
    }

    /// The memory of `values`, as it lies.
    package mutating func write<Value: BitwiseCopyable>(valuesOf values: [Value]) throws {
      try values.withUnsafeBytes { try write($0) }
    }

    private mutating func flush() throws {
      let pending = filled
      filled = 0
      try send(UnsafeRawBufferPointer(rebasing: buffer[..<pending]))
    }

    private func send(_ bytes: UnsafeRawBufferPointer) throws {
      var rest = bytes[...]
      while !rest.isEmpty {
        // Bounded, so that a slow disk shows that it goes on.
        let part = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 26))
        let sent = Pulse.atFile { Glibc.write(descriptor, part.baseAddress, part.count) }
        if sent < 0 {
          if errno == EINTR { continue }
          throw FileSystem.error(errno, .writing, path)
        }
        rest = rest.dropFirst(sent)
      }
    }

    /// Sends what is left and flushes the file to the disk. Network file systems report a full disk only at
    /// `close`, so its code counts too.
    fileprivate mutating func finish() throws {
      try flush()
      try Pulse.flushing {
        guard fsync(descriptor) == 0 else { throw FileSystem.error(errno, .writing, path) }
      }
      isOpen = false
      guard Pulse.flushing({ close(descriptor) }) == 0 else { throw FileSystem.error(errno, .writing, path) }
    }
  }
}
