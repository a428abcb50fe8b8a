import OrderedJSON
import Reporting
import RunFolder

/// Tells of steps that a guard left out: a line of `run/skipped.jsonl` with the rows of each, a note, and the end of a run that
/// leaves out too many.
struct SkippedSteps {
  private let path: String
  private let maximum: Int
  private let speaks: Bool
  /// Rows of the steps that were skipped in a row, the last step's first.
  private var lastRows: [Int] = []
  /// So many of them are reported.
  private static let reportedRows = 64

  /// - Parameters:
  ///   - resumedStep: lines of later steps belong to an attempt that is being made again, and go.
  ///   - speaks: whether notes and lines fall to this rank.
  init(_ layout: RunLayout, resumedStep: Int, maximum: Int, speaks: Bool) {
    path = layout.skipped
    self.maximum = maximum
    self.speaks = speaks
    if speaks { cutBack(to: resumedStep) }
  }

  /// Takes note of a step, the same on all ranks.
  ///
  /// - Parameters:
  ///   - rows: of its whole batch, as positions in the data.
  /// - Throws: 79 on all ranks when too many steps in a row were skipped.
  mutating func record(_ report: Trainer.StepReport, step: Int, rows: @autoclosure () -> [Int], guarding: StepGuard)
    throws
  {
    guard let reason = report.skipped else {
      lastRows = []
      if report.isRepeated, speaks {
        Console.note(
          "WARNING: step \(step): the gradient was not finite, and is when computed again: a fault of the moment")
      }
      return
    }
    let rows = rows()
    lastRows = Array((rows + lastRows).prefix(Self.reportedRows))
    if speaks {
      let line: JSONValue = [
        "step": .integer(step), "reason": .string(reason.name), "in_row": .integer(guarding.skippedInRow),
        "loss": .number(report.metrics.loss), "grad_norm": .number(report.gradientNorm),
        "median_grad_norm": guarding.median.map { .number($0) } ?? nil, "rows": .array(rows.map { .integer($0) }),
        "time_utc": .string(Machine.timestamp()),
      ]
      let isKept = keeps(line.text())
      Console.note(
        "WARNING: step \(step) is skipped: \(reason.words)\(detail(report, guarding)); rows \(Self.list(rows))"
          + (isKept ? " → run/skipped.jsonl" : ""))
    }
    guard guarding.skippedInRow < maximum else {
      throw TregError(
        .nonFinite,
        "\(guarding.skippedInRow) steps in a row were skipped, the last because \(reason.words); no weight has changed since "
          + "step \(step - guarding.skippedInRow). The last one had rows \(Self.list(rows)). A lower learning_rate, or a look at "
          + "these rows and those in run/skipped.jsonl, may help",
        isOnAllRanks: true, rows: lastRows)
    }
  }

  private func detail(_ report: Trainer.StepReport, _ guarding: StepGuard) -> String {
    switch report.skipped {
    case .spike:
      let norm = NumberFormat.significant(report.gradientNorm)
      return guarding.median.map { " (norm \(norm), median \(NumberFormat.significant($0)))" } ?? ""
    case .notFinite: return ", computed twice"
    case .told, nil: return ""
    }
  }

  private static func list(_ rows: [Int]) -> String {
    let shown = rows.prefix(8).map(String.init).joined(separator: ", ")
    return rows.count > 8 ? "\(shown), … (\(rows.count))" : shown
  }

  /// Whether the line could be written. A full disk is no reason to end the run: the note is there.
  private func keeps(_ line: String) -> Bool {
    do {
      let file = try AppendingFile(path)
      try file.append(line)
      return true
    } catch {
      return false
    }
  }

  private func cutBack(to step: Int) {
    guard let text = try? FileSystem.readText(path) else { return }
    let lines = text.split(separator: "\n")
    let kept = lines.filter { line in
      ((try? JSONValue(parsing: String(line)))?["step"]?.integer).map { $0 <= step } ?? false
    }
    if kept.count < lines.count { _ = try? AtomicFile.write(kept.map { $0 + "\n" }.joined(), to: path) }
  }
}
