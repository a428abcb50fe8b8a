import Foundation
import RunFolder

/// Ends the process when its standard input ends, for jobs on other hosts: ssh takes no signals along, but when the one who
/// started it is gone the input closes.
enum InputWatch {
  /// The variable by which whoever holds the input asks for it.
  static let name = "TREG_ENDS_WITH_INPUT"

  static func startIfAsked() {
    guard ProcessInfo.processInfo.environment[name] == "1" else { return }
    let thread = Thread {
      var byte: UInt8 = 0
      while true {
        let count = read(STDIN_FILENO, &byte, 1)
        if count == 0 || (count < 0 && errno != EINTR) { _exit(ExitCode.preempted.rawValue) }
      }
    }
    thread.start()
  }
}
