import Glibc
import LaunchPlan
import Reporting
import RunFolder

/// Prints a log of a run, and what is added to it.
package struct LogReader {
  private let path: String
  private let layout: RunLayout

  /// - Parameter rank: whose log; nil: the launcher's.
  /// - Throws: ``TregError`` 66 when there is none, with what there is.
  package init(_ out: String, rank: Int?, waits: Bool) throws {
    let layout = RunLayout(out)
    self.layout = layout
    path = rank.map { layout.log(rank: $0) } ?? layout.launchLog
    guard FileSystem.kind(of: path) == nil, !waits || FileSystem.kind(of: layout.run) != .folder else { return }
    let names = ((try? FileSystem.contents(ofFolder: layout.logs)) ?? []).filter { $0.hasSuffix(".log") }
    throw TregError.missing(
      at: path,
      names.isEmpty
        ? "no such log; only runs that treg-launch started have logs"
        : "no such log; a rank that printed nothing has none; there are \(names.prefix(8).joined(separator: ", "))")
  }

  /// - Parameter follows: goes on until the launcher has ended.
  package func print(follows: Bool) throws {
    var offset = 0
    while true {
      let isOver = !follows || LaunchRecord(readingFrom: layout.launch).map { $0.state == .ended } ?? true
      if let file = try? RandomAccessFile(path) {
        // Somebody cut it, or began it anew.
        if file.size < offset { offset = 0 }
        while offset < file.size {
          let bytes = try file.bytes(at: offset, count: min(1 << 16, file.size - offset))
          guard bytes.withUnsafeBytes({ Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }) > 0 else { return }
          offset += bytes.count
        }
      }
      if isOver { return }
      usleep(200_000)
    }
  }
}
