import Foundation
import FuzzSupport
import OrderedJSON
import Parquet
import RunFolder
import Testing

@Suite struct FuzzTests {
  /// Rows are a stream, and a short file may hold any number of nulls: some show what there is to show.
  static let rowLimit = 20_000

  @Test func damagedFilesAreRefusedInOneLine() throws {
    let corpus = try Golden.names.map { try FileSystem.readBytes(Golden.path($0)) }
    // A file without a name: nothing is left behind when the process is ended by what is looked for.
    let name = NSTemporaryDirectory() + "treg-parquet-fuzz-\(getpid())"
    let descriptor = open(name, O_RDWR | O_CREAT | O_TRUNC, 0o600)
    try #require(descriptor >= 0)
    unlink(name)
    defer { close(descriptor) }
    let path = "/proc/self/fd/\(descriptor)"
    let report = try Fuzz.run("parquet", corpus: corpus, tokens: [Array("PAR1".utf8)], front: 600) { bytes in
      ftruncate(descriptor, 0)
      _ = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
      return try Self.isReadable(path)
    }
    #expect(report.sawBoth)
  }

  private static func isReadable(_ path: String) throws -> Bool {
    do {
      let file = try ParquetFile(path)
      for group in file.rowGroups.indices {
        let rows = try file.rows(inGroup: group)
        while rows.position - file.rowGroups[group].firstRow < rowLimit, try rows.next() != nil {}
      }
      return true
    } catch let error as TregError {
      guard error.exitCode == .badData, !error.description.contains(where: \.isNewline) else { throw error }
      return false
    }
  }
}
