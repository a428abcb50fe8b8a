import ArgumentParser
import Configuration
import Evaluation
import Reporting
import RunFolder
import Training

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Evaluate a model on held-out pairs: preference accuracy, log-probs, and rewards against a reference.",
    discussion: RunConfiguration.keysHelp)

  @OptionGroup var options: RunOptions

  @Flag(help: "Print one JSON object per row on standard output, and the table on standard error.")
  var jsonl = false

  @Flag(help: "Print the figures as one JSON object instead of a table.")
  var summaryJson = false

  func run() throws {
    if jsonl, summaryJson { throw TregError.usage("--jsonl and --summary-json exclude each other") }
    let parsed = try options.parse(requiring: ["model", "data"], otherFlags: ["--jsonl", "--summary-json"])
    let stop = StopRequest()
    try Session.run(layout: nil) { communicator, environment in
      if communicator.rank == 0 { parsed.noteIgnored() }
      let report = try stop.listening(speaks: communicator.rank == 0) {
        try EvaluationJob(parsed.configuration, communicator: communicator, environment: environment)
          .run(recording: jsonl)
      }
      guard communicator.rank == 0 else { return .done }
      for record in report.records { Console.print(record) }
      if jsonl {
        Console.note(report.table)
      } else {
        Console.print(summaryJson ? report.json.text() : report.table)
      }
      return .done
    }
  }
}
