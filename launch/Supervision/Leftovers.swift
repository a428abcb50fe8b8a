import Glibc
import RunFolder

/// Ranks of this machine that outlived the program that started them, as when that was killed: two starts of a run must not
/// write one folder, nor share the cores.
enum Leftovers {
  /// The variable that marks all processes of a start.
  static let name = "TREG_LAUNCH_ID"

  static func newIdentifier() -> String { "\(Machine.processIdentifier)-\(Int(Machine.now * 1000))" }

  /// Processes of this machine and this user that carry the mark. Source: proc(5), environ.
  static func find(_ identifier: String) -> [pid_t] {
    let mark = Array("\(name)=\(identifier)\0".utf8)
    return ((try? FileSystem.contents(ofFolder: "/proc")) ?? []).compactMap { pid_t($0) }.filter { process in
      guard process != getpid(),
        let bytes = try? FileSystem.readBytes("/proc/\(process)/environ", maximumCount: 1 << 22)
      else { return false }
      return bytes.contains(mark)
    }
  }

  /// Leaves them two seconds to end by themselves, as ranks do that miss mpirun; then kills them.
  ///
  /// - Returns: how many had to be killed.
  static func end(_ identifier: String) async -> Int {
    for _ in 0..<10 {
      if find(identifier).isEmpty { return 0 }
      try? await Task.sleep(for: .milliseconds(200))
    }
    let late = find(identifier)
    for process in late { kill(process, SIGKILL) }
    for _ in 0..<50 where !find(identifier).isEmpty { try? await Task.sleep(for: .milliseconds(100)) }
    return late.count
  }
}
