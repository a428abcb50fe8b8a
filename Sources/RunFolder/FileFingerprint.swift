import Glibc

/// A hash by which machines tell whether they hold the same files, without reading all of each.
///
/// It covers names, sizes and contents: of files up to 8 MiB the whole, of larger ones the first and the last MiB. So it
/// finds other versions, cut copies and other data, not a flipped bit in the middle; those the run's own hashes find.
package struct FileFingerprint: Sendable, Equatable {
  package let files: Int
  package let bytes: Int
  package let hash: String
  /// Whether every byte was read.
  package let isWhole: Bool

  private static let wholeLimit = 8 << 20
  private static let edge = 1 << 20

  /// - Throws: ``TregError``: 66 when a file is missing, 77 when it may not be read, 74 when reading fails.
  package init(ofFiles paths: [String]) throws {
    var hash = ContentHash()
    var (bytes, isWhole) = (0, true)
    for path in paths {
      let file = try RandomAccessFile(path)
      let name = FileSystem.name(of: path)
      hash.update(name.utf8.count)
      hash.update(name)
      hash.update(file.size)
      bytes += file.size
      if file.size <= Self.wholeLimit {
        hash.update(try file.bytes(at: 0, count: file.size))
      } else {
        isWhole = false
        hash.update(try file.bytes(at: 0, count: Self.edge))
        hash.update(try file.bytes(at: file.size - Self.edge, count: Self.edge))
      }
    }
    files = paths.count
    self.bytes = bytes
    self.isWhole = isWhole
    self.hash = hash.hexadecimal
  }

  /// The files right in a folder, hidden ones aside, by name.
  package init(ofFolder path: String) throws {
    let files = try FileSystem.contents(ofFolder: path).filter { !$0.hasPrefix(".") }
      .map { FileSystem.join(path, $0) }.filter { FileSystem.kind(of: $0) == .file }
    try self.init(ofFiles: files)
  }
}
