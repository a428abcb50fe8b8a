import ArgumentParser
import Configuration
import Evaluation
import Foundation
import Reporting
import RunFolder

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show a row as the trainer sees it, with token rewards in colour; or the lengths of all rows.",
    discussion: "Rewards are those of --rewards, else the model makes them for the row; --treg-alpha 0 shows none.\n\n"
      + RunConfiguration.keysHelp)

  @OptionGroup var options: RunOptions

  @Option(help: ArgumentHelp("The row to show, counted from 0 over all files; default: 0.", valueName: "n"))
  var row: Int?

  @Flag(help: "Show each token on a line of its own, with its id, log-prob, reward and weight.")
  var ids = false

  @Flag(help: "Show counts and lengths of all rows instead.")
  var summary = false

  @Flag(help: "Print one JSON object.")
  var jsonl = false

  func run() throws {
    if summary, row != nil { throw TregError.usage("--row and --summary exclude each other") }
    if ids, summary || jsonl { throw TregError.usage("--ids goes with neither --summary nor --jsonl") }
    let parsed = try options.parse(
      requiring: ["model", "data"], otherFlags: ["--row", "--ids", "--summary", "--jsonl"])
    parsed.noteIgnored()
    let inspection = try RowInspection(parsed.configuration, environment: ProcessInfo.processInfo.environment)
    let terminal = Terminal.standardOutput
    switch (summary, jsonl) {
    case (true, true): Console.print(try inspection.summary().json.text())
    case (true, false): Console.print(try inspection.summary().text(width: terminal.width))
    case (false, true): Console.print(try inspection.json(ofRow: row ?? 0).text())
    case (false, false): Console.print(try inspection.row(row ?? 0, terminal: terminal, showingIds: ids))
    }
  }
}
