import ArgumentParser
import Configuration
import Reporting
import RunFolder

/// What every command takes that works by a run's configuration: a file, and any of its keys as a flag.
struct RunOptions: ParsableArguments {
  @Option(help: "A YAML file with the run's configuration.")
  var config: String?

  @Argument(
    parsing: .allUnrecognized,
    help: ArgumentHelp("Every key of the configuration as a flag, such as --learning-rate 5e-7.", valueName: "settings")
  )
  var settings: [String] = []

  /// - Parameters:
  ///   - requiring: keys that the command cannot do without.
  ///   - over: settings of the command itself, which count over the file and under the user's flags.
  ///   - otherFlags: flags that the command takes itself, for the advice on misspelled ones.
  func parse(
    requiring: [String], over: [String] = [], otherFlags: [String]
  ) throws -> RunConfiguration.Parsed {
    try RunConfiguration.parse(
      file: config, flags: over + settings, requiring: requiring, otherFlags: ["--config"] + otherFlags)
  }
}

extension RunConfiguration.Parsed {
  /// Keys that were read and have no effect, said once.
  func noteIgnored() {
    if !ignored.isEmpty { Console.note("ignored, without meaning here: \(ignored.joined(separator: ", "))") }
  }
}
