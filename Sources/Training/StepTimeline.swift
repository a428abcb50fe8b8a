import OrderedJSON
import Reporting
import RunFolder

/// What the parts of optimizer steps take on this rank and, for a profile, when each began and ended.
package final class StepTimeline {
  package enum Part: String, Sendable, CaseIterable {
    case forward, backward
    /// In collectives: data on their way, and waiting for slower ranks.
    case communication
    case optimizer

    /// As reports of failures call it.
    fileprivate var name: StaticString {
      switch self {
      case .forward: "forward"
      case .backward: "backward"
      case .communication: "communication"
      case .optimizer: "optimizer"
      }
    }
  }

  private struct Event {
    let part: Part
    let step: Int
    let start, end: Double
  }

  /// Steps whose events are kept: enough to see what a run does, and a bound of the file.
  package static let recordedSteps = 100

  /// Multiplications and additions of the passes so far.
  package var operations = 0.0
  private var totals = [Double](repeating: 0, count: Part.allCases.count)
  private var events: [Event] = []
  private var step = 0
  private var firstStep: Int?
  private let records: Bool
  private let stopwatch = Stopwatch()

  /// - Parameter records: keeps events for ``trace(rank:host:)``.
  package init(records: Bool = false) {
    self.records = records
  }

  /// Seconds spent in a part so far.
  package func seconds(_ part: Part) -> Double { totals[index(part)] }

  private func index(_ part: Part) -> Int { Part.allCases.firstIndex(of: part)! }

  /// The events that follow belong to this step.
  package func begin(step: Int) {
    self.step = step
    firstStep = firstStep ?? step
  }

  package func measure<Result>(_ part: Part, _ body: () throws -> Result) rethrows -> Result {
    let start = stopwatch.seconds
    defer {
      let end = stopwatch.seconds
      totals[index(part)] += end - start
      if records, let firstStep, step < firstStep + Self.recordedSteps {
        events.append(Event(part: part, step: step, start: start, end: end))
      }
    }
    return try Pulse.during(part.name, body)
  }

  /// Counts seconds that a part stood still for another one as that other's.
  package func move(_ seconds: Double, from part: Part, to other: Part) {
    totals[index(part)] -= seconds
    totals[index(other)] += seconds
  }

  /// This rank's lane of a trace in the format of Chrome's and Perfetto's viewers, one event per line, commas between.
  package func trace(rank: Int, host: String) -> String {
    var lines: [JSONValue] = [
      [
        "name": "thread_name", "ph": "M", "pid": 0, "tid": .integer(rank),
        "args": ["name": .string("rank \(rank), \(host)")],
      ]
    ]
    for event in events {
      lines.append([
        "name": .string(event.part.rawValue), "cat": "step", "ph": "X", "pid": 0, "tid": .integer(rank),
        "ts": .integer(Int(event.start * 1e6)), "dur": .integer(Int((event.end - event.start) * 1e6)),
        "args": ["step": .integer(event.step)],
      ])
    }
    return lines.map { $0.text() }.joined(separator: ",\n")
  }
}
