import LaunchPlan
import Reporting
import RunFolder
import Synchronization

/// Takes the starting program's lines apart: what ranks print goes to the terminal as it comes and to each rank's log; what
/// the program itself says goes to the launcher's log, since the launcher tells the first cause in its own words.
final class RankOutput: Sendable {
  private let label: RankLabel?
  private let log: LaunchLog
  private let said = Mutex(StarterMessages())

  init(label: RankLabel?, log: LaunchLog) {
    self.label = label
    self.log = log
  }

  var messages: StarterMessages { said.withLock { $0 } }

  /// One pipe for each of the two outputs.
  func pipes() throws -> (output: LinePipe, errors: LinePipe) {
    (try LinePipe { self.take($0, isError: false) }, try LinePipe { self.take($0, isError: true) })
  }

  private func take(_ line: String, isError: Bool) {
    for piece in label?.pieces(of: line) ?? [RankLabel.Piece(rank: 0, text: line)] {
      if let rank = piece.rank {
        log.append(piece.text, rank: rank)
        if isError { Console.note(piece.text) } else { Console.print(piece.text) }
      } else {
        log.noteStarter(piece.text)
        said.withLock { $0.take(piece.text) }
      }
    }
  }
}
