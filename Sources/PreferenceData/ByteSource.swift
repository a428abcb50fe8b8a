import Glibc
import RunFolder

/// Bytes of a file, decompressed, in their order.
protocol ByteSource: AnyObject {
  /// Fills the front of `buffer`; 0 at the end of the file.
  ///
  /// - Throws: ``CompressionDamage``, or ``TregError`` when reading fails.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int
}

/// What is wrong with a compressed file.
enum CompressionDamage: Error {
  /// It ends early.
  case cutOff
  case damaged(String)
}

/// A file as it lies on the disk.
final class PlainSource: ByteSource {
  private let path: String
  private let descriptor: Int32

  /// - Throws: 66 when the file is missing or a folder, 77 when it may not be read.
  init(path: String) throws {
    if FileSystem.kind(of: path) == .folder { throw FileSystem.error(EISDIR, .reading, path) }
    self.path = path
    descriptor = Pulse.atFile { open(path, O_RDONLY | O_CLOEXEC) }
    guard descriptor >= 0 else { throw FileSystem.error(errno, .reading, path) }
  }

  deinit { close(descriptor) }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    while true {
      let count = Pulse.atFile { Glibc.read(descriptor, buffer.baseAddress, buffer.count) }
      if count >= 0 { return count }
      if errno != EINTR { throw FileSystem.error(errno, .reading, path) }
    }
  }
}

/// Another source with bytes put back before it.
private final class PrefixedSource: ByteSource {
  private var prefix: ArraySlice<UInt8>
  private let rest: any ByteSource

  init(_ prefix: [UInt8], _ rest: any ByteSource) {
    self.prefix = prefix[...]
    self.rest = rest
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    guard !prefix.isEmpty else { return try rest.read(into: buffer) }
    let part = prefix.prefix(buffer.count)
    buffer.copyBytes(from: part)
    prefix = prefix.dropFirst(part.count)
    return part.count
  }
}

/// What the first bytes of a file say it is.
enum FileKind: Equatable {
  case plain, gzip, zstandard, parquet

  /// The kind, and the file's bytes, decompressed; Parquet files are left as they are.
  static func open(_ path: String) throws -> (kind: FileKind, bytes: any ByteSource) {
    let file = try PlainSource(path: path)
    var front = [UInt8](repeating: 0, count: 4)
    var count = 0
    while count < front.count {
      let more = try front[count...].withUnsafeMutableBytes { try file.read(into: $0) }
      if more == 0 { break }
      count += more
    }
    front.removeLast(front.count - count)
    let whole = PrefixedSource(front, file)
    let kind = of(front)
    switch kind {
    case .plain, .parquet: return (kind, whole)
    case .gzip: return (kind, try GzipSource(whole))
    case .zstandard: return (kind, try ZstandardSource(whole))
    }
  }

  /// RFC 1952 §2.3.1; RFC 8878 §3.1, skippable frames included; Parquet's `PAR1`, encrypted footers included.
  private static func of(_ front: [UInt8]) -> FileKind {
    if front.starts(with: [0x1F, 0x8B]) { return .gzip }
    if front == [0x28, 0xB5, 0x2F, 0xFD] { return .zstandard }
    if front.count == 4, front[0] & 0xF0 == 0x50, front.dropFirst() == [0x2A, 0x4D, 0x18] { return .zstandard }
    if front == Array("PAR1".utf8) || front == Array("PARE".utf8) { return .parquet }
    return .plain
  }
}
