import ArgumentParser
import Configuration
import Reporting
import RunFolder
import Training

struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train a model on preference pairs; token rewards are made first unless they are given.",
    discussion: RunConfiguration.keysHelp)

  @OptionGroup var options: RunOptions

  // Only the word right after it: the parser's default takes any later word that starts with no dash, such as the
  // value of the next key.
  @Option(
    defaultAsFlag: "", parsing: .next,
    help: ArgumentHelp(
      "Go on from a checkpoint; the newest of the run's folder unless one is named.", valueName: "checkpoint"))
  var resume: String?

  @Flag(help: "Replace what an earlier run left in the folder.")
  var overwrite = false

  @Flag(help: "Read and check everything, print the plan, and write nothing.")
  var dryRun = false

  func run() throws {
    if resume != nil, overwrite { throw TregError.usage("--resume and --overwrite exclude each other") }
    let parsed = try options.parse(
      requiring: ["model", "data", "out"], otherFlags: ["--resume", "--overwrite", "--dry-run"])
    let start: TrainingRun.Start =
      if let resume { .resume(resume.isEmpty ? nil : resume) } else if overwrite { .overwrite } else { .fresh }
    let stop = StopRequest()
    try Session.run(layout: RunLayout(parsed.configuration.out)) { communicator, environment in
      if communicator.rank == 0 { parsed.noteIgnored() }
      return try stop.listening(speaks: communicator.rank == 0) {
        let training = try TrainingRun(
          parsed.configuration, start: start, communicator: communicator, environment: environment, stop: stop)
        if communicator.rank == 0 { Console.note(training.announcement) }
        if dryRun { return .done }
        stop.beginWork()
        return try training.run()
      }
    }
  }
}
