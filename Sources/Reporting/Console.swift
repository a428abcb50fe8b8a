import Glibc
import RunFolder
import Synchronization

/// The program's voice: results on standard output, everything else on standard error.
package enum Console {
  /// The error of the first result that could not be written; 0: none.
  private static let lostResult = Atomic<Int32>(0)

  /// Writes a line of a result. A reader that has gone away (`| head`) is no error; any other is kept for ``ending(_:)``.
  package static func print(_ line: String) {
    send(line + "\n", to: STDOUT_FILENO)
  }

  /// The code to end with, in place of `code`: results that were lost, as on a full disk, are no success.
  package static func ending(_ code: ExitCode) -> ExitCode {
    let number = lostResult.load(ordering: .relaxed)
    guard number != 0, code == .done else { return code }
    return fail(FileSystem.error(number, .writing, "standard output"))
  }

  /// Writes a line about the work.
  package static func note(_ line: String) {
    send(line + "\n", to: STDERR_FILENO)
  }

  /// Writes text to standard error as it is, for ``Progress``.
  package static func sendNote(_ text: String) {
    send(text, to: STDERR_FILENO)
  }

  /// Writes `treg: what went wrong` and returns the code to end with.
  package static func fail(_ error: any Error, program: String = "treg") -> ExitCode {
    note("\(program): \(line(of: error))")
    return (error as? TregError)?.exitCode ?? .bug
  }

  /// Writes `treg: rank 7 (node03) step 412 backward: … → run/errors/rank-00007.json` and returns the code to end
  /// with.
  package static func fail(_ report: ErrorReport, in layout: RunLayout, program: String = "treg") -> ExitCode {
    note("\(program): \(oneLine(report.line)) → \(layout.relative(layout.error(rank: report.rank)))")
    return report.exitCode
  }

  /// An error as one line; those that are not ours are marked as bugs.
  package static func line(of error: any Error) -> String {
    let text = oneLine(String(describing: error))
    return error is TregError ? text : "internal error: \(text)"
  }

  /// Without line breaks and control characters, which names of files and texts of data may hold.
  private static func oneLine(_ text: String) -> String {
    TokenColouring.visibleLine(text.split(whereSeparator: \.isNewline).joined(separator: " "))
  }

  /// Bytes that the other end does not take are lost.
  private static func send(_ text: String, to descriptor: Int32) {
    var text = text
    text.withUTF8 { bytes in
      var sent = 0
      while sent < bytes.count {
        // A terminal that somebody has halted takes nothing for a while.
        let count = Pulse.atFile { write(descriptor, bytes.baseAddress! + sent, bytes.count - sent) }
        if count < 0 {
          if errno == EINTR { continue }
          if descriptor == STDOUT_FILENO, errno != EPIPE {
            _ = lostResult.compareExchange(expected: 0, desired: errno, ordering: .relaxed)
          }
          return
        }
        sent += count
      }
    }
  }
}
