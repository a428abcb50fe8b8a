import CProcess
import Dispatch
import Glibc
import RunFolder

/// A pipe that a program writes to and whose lines are taken one by one, in order, on a thread of its own.
///
/// The program's own children may hold the pipe open after it has ended; so whoever waits for the rest waits only so long.
package final class LinePipe: Sendable {
  /// The program's end.
  package let writer: Int32
  private let isOver = DispatchSemaphore(value: 0)

  /// - Parameter take: receives each line without its line feed, and what follows the last one.
  /// - Throws: ``TregError`` 74 when there are no more descriptors.
  package init(_ take: @escaping @Sendable (String) -> Void) throws {
    var ends: [Int32] = [0, 0]
    guard treg_pipe(&ends) == 0 else { throw FileSystem.error(errno, .writing, "a pipe") }
    writer = ends[1]
    let (reader, isOver) = (ends[0], isOver)
    DispatchQueue(label: "lines").async {
      Self.read(reader, take)
      close(reader)
      isOver.signal()
    }
  }

  /// Waits until everybody has closed the pipe, `seconds` at most. The launcher's copy of the program's end is closed by then.
  package func finish(within seconds: Double) {
    _ = isOver.wait(timeout: .now() + seconds)
  }

  private static func read(_ descriptor: Int32, _ take: (String) -> Void) {
    var line: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = Glibc.read(descriptor, &piece, piece.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      for byte in piece[..<count] {
        if byte == UInt8(ascii: "\n") {
          take(String(decoding: line, as: UTF8.self))
          line.removeAll(keepingCapacity: true)
        } else {
          line.append(byte)
        }
      }
    }
    if !line.isEmpty { take(String(decoding: line, as: UTF8.self)) }
  }
}
