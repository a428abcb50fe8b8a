import Glibc
import OrderedJSON
import Parquet
import RunFolder
import Testing

@Suite struct ParquetFileTests {
  @Test func refusesOtherFiles() throws {
    let path = "/tmp/treg-parquet-\(getpid())"
    defer { remove(path) }
    try AtomicFile.write(to: path) { try $0.write("{\"prompt\": \"no parquet\"}\n") }
    #expect {
      _ = try ParquetFile(path)
    } throws: { error in
      error as? TregError == .badData(at: path, "not a Parquet file: it does not begin with PAR1")
    }
  }
}
