import OrderedJSON
import RunFolder

extension TokenFile {
  /// Writes pairs one after another; the index, 64 bytes a pair, is in memory until the end.
  struct Writer: ~Copyable {
    private var hash = ContentHash()
    // Pieces, so that growing copies nothing.
    private var index: [[Entry]] = []
    private(set) var count = 0

    mutating func begin(_ file: inout AtomicFile.Writer) throws { try write(valuesOf: [TokenFile.magic], to: &file) }

    /// What is written of a pair beside its entry in the index; any thread can make it.
    static func record(of pair: TokenizedPair) -> [UInt8] {
      let text = pair.source.record.text()
      var bytes: [UInt8] = []
      bytes.reserveCapacity(4 * pair.tokenCount + text.utf8.count)
      for tokens in [pair.prompt, pair.chosen.tokens, pair.rejected.tokens] {
        tokens.withUnsafeBytes { bytes.append(contentsOf: $0) }
      }
      bytes.append(contentsOf: text.utf8)
      return bytes
    }

    mutating func append(_ pair: TokenizedPair, record: [UInt8], to file: inout AtomicFile.Writer) throws {
      if count % Self.pieceSize == 0 {
        index.append([])
        index[index.count - 1].reserveCapacity(Self.pieceSize)
      }
      index[index.count - 1].append(Entry(pair, offset: file.count, byteCount: record.count))
      count += 1
      try write(valuesOf: record, to: &file)
    }

    mutating func finish(
      key: String, readCount: Int, skipped: SkippedRows, paths: [String], to file: inout AtomicFile.Writer
    ) throws {
      let gap = (64 - file.count % 64) % 64
      try write(valuesOf: [UInt8](repeating: 0, count: gap), to: &file)
      let indexOffset = file.count
      for piece in index { try write(valuesOf: piece, to: &file) }
      let summary: JSONValue = [
        "key": .string(key), "rows": .integer(readCount), "skipped": skipped.json(paths: paths),
      ]
      let text = Array(summary.text().utf8)
      try write(valuesOf: text, to: &file)
      let digest = hash.digest
      let trailer = Trailer(
        indexOffset: UInt64(indexOffset), count: UInt64(count), summaryCount: UInt64(text.count),
        hashHigh: digest.high, hashLow: digest.low)
      try file.write(valuesOf: [trailer])
    }

    private static let pieceSize = 4096

    private mutating func write<Value: BitwiseCopyable>(valuesOf values: [Value], to file: inout AtomicFile.Writer)
      throws
    {
      hash.update(valuesOf: values)
      try file.write(valuesOf: values)
    }
  }
}
