import ArgumentParser
import Configuration
import Evaluation
import Foundation
import Reporting
import RunFolder

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show a row as the trainer sees it, with token rewards in colour; or the lengths of all rows.",
    discussion: RunConfiguration.keysHelp)

  @OptionGroup var options: RunOptions

  @Option(help: ArgumentHelp("The row to show, counted from 0 over all files; default: 0.", valueName: "n"))
  var row: Int?

  @Flag(help: "Show counts and lengths of all rows instead.")
  var summary = false

  func run() throws {
    if summary, row != nil { throw TregError.usage("--row and --summary exclude each other") }
    let parsed = try options.parse(requiring: ["model", "data"])
    parsed.noteIgnored()
    let inspection = try RowInspection(parsed.configuration, environment: ProcessInfo.processInfo.environment)
    Console.print(
      try summary ? inspection.summary() : inspection.row(row ?? 0, palette: Terminal.standardOutput.palette))
  }
}
