import Parquet
import RunFolder
import Testing

/// Files that cannot be read or lie are refused in one line that says where (Tests/Oracles/parquet_golden.py).
@Suite struct RefusedTests {
  @Test(arguments: [
    ("brotli", ": row group 0, column n: compression BROTLI is not read; write the file with snappy, zstd or gzip"),
    ("lz4", ": row group 0, column n: compression LZ4_RAW is not read; write the file with snappy, zstd or gzip"),
    ("codec", ": row group 0, column n: compression LZO is not read; write the file with snappy, zstd or gzip"),
    ("encrypted", ": the file is encrypted, which is not read"),
    ("text", ": row group 0, column a\\nb: row 1, page at byte 26: the text is not UTF-8"),
    ("row", ": row group 0: row 0 takes more than 128 MiB, which is not read"),
    ("bomb", ": row group 0, column n: row 0, page at byte 4: 16 bytes claim to be 500000000 bytes compressed"),
    (
      "large", ": row group 0, column n: row 0, page at byte 4: a page has 1073741824 bytes, at most 536870912 are read"
    ),
    (
      "count",
      ": row group 0, column n: row 0, page at byte 4: a page claims 1073741824 values, at most 67108864 are read"
    ),
    (
      "checksum",
      ": row group 0, column n: row 0, page at byte 4: its checksum is wrong: the file is damaged"
    ),
    (
      "many",
      ": row group 0, column n16: row 0, page at byte 8836: pages and dictionaries of the columns take more than 258 MiB, which is not read"
    ),
    ("short", ": row group 0, column n: row 2, page at byte 4: it holds fewer values than its page claims"),
    ("missing", ": row group 0, column n: row 1, page at byte 29: the column ends before its last value"),
    ("index", ": row group 0, column n: row 0, page at byte 21: a value is number 3 of a dictionary of 1"),
    (
      "dictionary",
      ": row group 0, column n: row 0, page at byte 4: its values refer to a dictionary, the column has none"
    ),
    (
      "levels",
      ": row group 0, column turns.content: page at byte 43: its levels do not fit those of the columns beside it"
    ),
  ])
  func saysWhatIsWrong(name: String, message: String) {
    let path = Golden.path("refused.\(name).parquet")
    let error = #expect(throws: TregError.self) { try Self.readAll(path) }
    #expect(error?.description == path + message)
    #expect(error?.exitCode == .badData)
  }

  @Test func namesAColumnThatIsNotThere() throws {
    let path = Golden.path("hh.hub.parquet")
    let file = try ParquetFile(path)
    #expect(throws: TregError.badData(at: path, "there is no column prompt; there are chosen, rejected")) {
      _ = try file.rows(inGroup: 0, columns: ["chosen", "prompt"])
    }
  }

  @Test func aFileThatIsCutOffIsRefused() throws {
    let whole = try FileSystem.readBytes(Golden.path("hh.hub.parquet"))
    try TemporaryFile.with(whole.dropLast(9)) { path in
      #expect(
        throws: TregError.badData(at: path, "the file does not end with PAR1: it is cut off or not a Parquet file")
      ) {
        _ = try ParquetFile(path)
      }
    }
  }

  @Test func otherFilesAreRefused() throws {
    try TemporaryFile.with(Array("{\"prompt\": \"no parquet\"}\n".utf8)) { path in
      #expect(throws: TregError.badData(at: path, "not a Parquet file: it does not begin with PAR1")) {
        _ = try ParquetFile(path)
      }
    }
    #expect(throws: TregError.missing(at: "/nowhere.parquet", "no such file or folder")) {
      _ = try ParquetFile("/nowhere.parquet")
    }
  }

  private static func readAll(_ path: String) throws {
    let file = try ParquetFile(path)
    for group in file.rowGroups.indices {
      let rows = try file.rows(inGroup: group)
      while try rows.next() != nil {}
    }
  }
}
