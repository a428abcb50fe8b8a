import Parquet
import Testing

@Suite struct ParquetRowsTests {
  /// `codec` has 120 rows in groups of 70.
  @Test func rowGroupsAreFoundByRow() throws {
    let file = try ParquetFile(Golden.path("codec.zstd-v2.parquet"))
    #expect(file.rowGroups.map(\.firstRow) == [0, 70])
    #expect(file.rowGroups.map(\.rowCount) == [70, 50])
    #expect([0, 69, 70, 119].map(file.group(ofRow:)) == [0, 0, 1, 1])
    let rows = try file.rows(inGroup: 1, columns: ["n"])
    #expect(try rows.next() == ["n": 70])
    #expect(rows.position == 71)
  }

  @Test func noColumnsAreEmptyRows() throws {
    let rows = try ParquetFile(Golden.path("hh.hub.parquet")).rows(inGroup: 0, columns: [])
    for _ in 0..<4 { #expect(try rows.next() == .object([:])) }
    #expect(try rows.next() == nil)
  }

  /// One file, many readers.
  @Test func threadsReadTheSameFile() async throws {
    let name = "ultrafeedback.groups.parquet"
    let file = try ParquetFile(Golden.path(name))
    let expected = try Golden.rows(of: name)
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      for _ in 0..<8 {
        tasks.addTask {
          for (index, group) in file.rowGroups.enumerated() {
            let rows = try file.rows(inGroup: index)
            for row in group.firstRow..<(group.firstRow + group.rowCount) {
              #expect(try rows.next() == expected[row])
            }
          }
        }
      }
      try await tasks.waitForAll()
    }
  }
}
