import Glibc
import RunFolder
import Synchronization

/// What the launcher decides (`run/logs/launch.log`) and what each rank prints (`run/logs/rank-00007.log`).
///
/// Logs are for reading afterwards: a disk that takes no more of them ends no run.
package final class LaunchLog: Sendable {
  private struct Files {
    var launch: Int32 = -1
    var ranks: [Int: Int32] = [:]
    var header = ""
  }

  private let layout: RunLayout
  private let files = Mutex(Files())

  /// Creates the folder and opens the log; where that cannot be, nothing is kept.
  package init(_ layout: RunLayout) {
    self.layout = layout
    try? FileSystem.createFolder(layout.logs)
    files.withLock { $0.launch = Self.open(layout.launchLog) }
  }

  deinit {
    files.withLock { files in
      for descriptor in files.ranks.values { close(descriptor) }
      if files.launch >= 0 { close(files.launch) }
    }
  }

  package func note(_ line: String) {
    files.withLock { Self.append("\(Machine.timestamp()) \(line)", to: $0.launch) }
  }

  /// A line of the program that starts ranks.
  package func noteStarter(_ line: String) { note("| \(line)") }

  /// Ranks' lines from now on stand below this one.
  package func begin(_ header: String) {
    files.withLock { files in
      for descriptor in files.ranks.values { close(descriptor) }
      files.ranks = [:]
      files.header = header
    }
  }

  /// A line of a rank. Ranks that say nothing have no file.
  package func append(_ line: String, rank: Int) {
    files.withLock { files in
      if files.ranks[rank] == nil {
        files.ranks[rank] = Self.open(layout.log(rank: rank))
        Self.append("--- \(Machine.timestamp()) \(files.header)", to: files.ranks[rank]!)
      }
      Self.append(line, to: files.ranks[rank]!)
    }
  }

  private static func open(_ path: String) -> Int32 {
    Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
  }

  private static func append(_ line: String, to descriptor: Int32) {
    guard descriptor >= 0 else { return }
    var text = line + "\n"
    text.withUTF8 { bytes in _ = write(descriptor, bytes.baseAddress, bytes.count) }
  }
}
