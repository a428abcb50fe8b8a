import Glibc
import OrderedJSON
import RunFolder

/// A file of tokenised pairs, open for reading by index from any thread.
///
/// In memory is nothing but the mapping of the index, 64 bytes a pair, whose pages the system takes and drops. The file
/// stays readable when it is removed or replaced.
final class TokenFile: Sendable {
  /// Files whose rows these are; places are told by them.
  private let paths: [String]
  private let path: String
  private let descriptor: Int32
  private nonisolated(unsafe) let mapping: UnsafeMutableRawPointer
  private let mappedCount: Int
  private let indexOffset: Int
  let count: Int
  let readCount: Int
  let skipped: SkippedRows

  /// Why a file cannot be used; it is then made anew.
  struct Unusable: Error { let reason: String }

  /// - Parameters:
  ///   - key: what the file must have been made for.
  ///   - checksAll: reads the whole file and compares its hash; without it only what the file says of itself is checked.
  /// - Throws: ``Unusable``, or ``TregError`` when the file is missing or cannot be read.
  init(_ path: String, key: String, paths: [String], checksAll: Bool) throws {
    let descriptor = Pulse.atFile { open(path, O_RDONLY | O_CLOEXEC) }
    guard descriptor >= 0 else { throw FileSystem.error(errno, .reading, path) }
    var isOpen = false
    defer { if !isOpen { close(descriptor) } }
    var status = stat()
    guard Pulse.atFile({ fstat(descriptor, &status) }) == 0 else { throw FileSystem.error(errno, .reading, path) }
    let size = Int(status.st_size)
    let trailerSize = MemoryLayout<Trailer>.size
    guard size >= trailerSize + 64 else { throw Unusable(reason: "it is too short") }

    var trailer = Trailer(indexOffset: 0, count: 0, summaryCount: 0, hashHigh: 0, hashLow: 0, magic: 0)
    let end = size - trailerSize
    try withUnsafeMutableBytes(of: &trailer) { try Self.read($0, from: descriptor, at: end, path) }
    guard trailer.magic == Self.magic else { throw Unusable(reason: "it has another layout, or no end") }
    guard let count = Int(exactly: trailer.count), let start = Int(exactly: trailer.indexOffset),
      let summaryCount = Int(exactly: trailer.summaryCount), start % 64 == 0, start <= end, count <= end / 64,
      summaryCount <= end, start + 64 * count + summaryCount == end
    else { throw Unusable(reason: "its parts do not add up") }
    if checksAll {
      let found = try Self.hash(of: descriptor, count: end, path)
      guard found == (trailer.hashHigh, trailer.hashLow) else {
        throw Unusable(reason: "its content does not fit its hash")
      }
    }
    var summary = [UInt8](repeating: 0, count: summaryCount)
    try summary.withUnsafeMutableBytes { try Self.read($0, from: descriptor, at: end - summaryCount, path) }
    guard let facts = try? JSONValue(parsing: summary), let made = facts["key"]?.string,
      let readCount = facts["rows"]?.integer, let skipped = SkippedRows(json: facts["skipped"], paths: paths)
    else { throw Unusable(reason: "its summary is not readable") }
    guard made == key else { throw Unusable(reason: "it was made from other data") }

    let pageSize = Int(sysconf(Int32(_SC_PAGESIZE)))
    let mappedFrom = start / pageSize * pageSize
    let mappedCount = end - mappedFrom
    guard mappedCount > 0,
      let mapping = mmap(nil, mappedCount, PROT_READ, MAP_SHARED, descriptor, mappedFrom), mapping != MAP_FAILED
    else { throw FileSystem.error(errno, .reading, path) }
    isOpen = true
    self.path = path
    self.paths = paths
    self.descriptor = descriptor
    self.mapping = mapping
    self.mappedCount = mappedCount
    self.count = count
    self.readCount = readCount
    self.skipped = skipped
    indexOffset = start - mappedFrom
  }

  deinit {
    munmap(mapping, mappedCount)
    close(descriptor)
  }

  private func entry(_ index: Int) -> Entry {
    precondition(index >= 0 && index < count, "no pair \(index) of \(count)")
    // Its page may have to be read.
    return Pulse.atFile { mapping.load(fromByteOffset: indexOffset + 64 * index, as: Entry.self) }
  }

  func counts(at index: Int) -> PairCounts { entry(index).counts }

  /// A pair, read and decoded. The file was checked when it was opened.
  ///
  /// - Throws: 74 when it cannot be read, or was written to since.
  func pair(at index: Int) throws -> TokenizedPair {
    let entry = entry(index)
    let counts = entry.counts
    var bytes = [UInt8](repeating: 0, count: Int(entry.byteCount))
    try bytes.withUnsafeMutableBytes { try Self.read($0, from: descriptor, at: Int(entry.offset), path) }
    let tokens = bytes.withUnsafeBytes { bytes in
      (0..<counts.tokens).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self) }
    }
    guard let record = try? JSONValue(parsing: bytes[(4 * counts.tokens)...]),
      let source = PreferenceRow(record: record, counts: counts, paths: paths)
    else { throw TregError.inputOutput(at: path, "the tokens kept there have changed while they were used") }
    let chosen = counts.prompt + counts.chosen
    return TokenizedPair(
      source: source, prompt: Array(tokens[..<counts.prompt]),
      chosen: Response(tokens: Array(tokens[counts.prompt..<chosen]), scoredFrom: counts.chosenScoredFrom),
      rejected: Response(tokens: Array(tokens[chosen...]), scoredFrom: counts.rejectedScoredFrom),
      truncation: counts.truncation, repairs: counts.repairs, key: counts.key)
  }

  private static func read(
    _ buffer: UnsafeMutableRawBufferPointer, from descriptor: Int32, at offset: Int, _ path: String
  ) throws {
    var done = 0
    while done < buffer.count {
      let count = Pulse.atFile { pread(descriptor, buffer.baseAddress! + done, buffer.count - done, offset + done) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw count < 0
          ? FileSystem.error(errno, .reading, path) : TregError.inputOutput(at: path, "the file has become shorter")
      }
      done += count
    }
  }

  private static func hash(of descriptor: Int32, count: Int, _ path: String) throws -> (UInt64, UInt64) {
    var hash = ContentHash()
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { piece.deallocate() }
    var done = 0
    while done < count {
      let part = UnsafeMutableRawBufferPointer(rebasing: piece[..<min(piece.count, count - done)])
      try read(part, from: descriptor, at: done, path)
      hash.update(UnsafeRawBufferPointer(part))
      done += part.count
    }
    return hash.digest
  }
}
