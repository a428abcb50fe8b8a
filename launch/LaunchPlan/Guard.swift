import CProcess
import Glibc
import RunFolder

/// A short life between the launcher and what it starts: the launcher, started anew, asks the kernel for SIGTERM at its
/// parent's death and becomes the program. So nothing outlives a launcher that is killed, however it is killed.
///
/// Source: PR_SET_PDEATHSIG of prctl(2): the request survives execve(2), and counts from the end of the thread that started
/// the process; Subprocess starts all of them on one thread that lives as long as the launcher.
package enum Guard {
  /// The launcher's first word when it is to be a guard.
  package static let word = "__guard"

  /// What starts a program under guard.
  ///
  /// - Parameter launcher: the path of treg-launch.
  package static func command(_ command: [String], launcher: String) -> [String] {
    [launcher, word, String(getpid())] + command
  }

  /// Becomes the program, or ends with 69 when the launcher is gone already, 127 when there is no such program.
  ///
  /// - Parameter words: the launcher's process, then the program's path and arguments.
  package static func become(_ words: [String]) -> Never {
    guard words.count >= 2, let launcher = pid_t(words[0]) else { exit(ExitCode.usage.rawValue) }
    guard treg_signal_at_parent_death(SIGTERM) == 0, getppid() == launcher else {
      exit(ExitCode.unavailable.rawValue)
    }
    var arguments: [UnsafeMutablePointer<CChar>?] = words.dropFirst().map { strdup($0) }
    arguments.append(nil)
    execv(words[1], arguments)
    exit(127)
  }
}
