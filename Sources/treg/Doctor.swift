import ArgumentParser
import Configuration
import Evaluation
import Foundation
import Reporting
import RunFolder

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Say whether a model can be trained, what it is and what memory it takes; without a model, what this machine has.",
    usage: "treg doctor [<model>] [--config <config>] [<settings> ...]",
    discussion: "The model is a folder, a GGUF file, an adapter's folder, or org/name from the local cache. "
      + "Exit codes: 0 it can be trained, 65 it cannot, 66 it is not there, 78 it needs more memory than is free.\n\n"
      + RunConfiguration.keysHelp)

  @OptionGroup var options: RunOptions

  @Flag(
    help: ArgumentHelp(
      "Describe this host as treg-launch compares hosts: program, MPI, room, clock, networks, hashes of inputs.",
      visibility: .hidden))
  var host = false

  @Flag(help: ArgumentHelp("With --host: as one JSON object.", visibility: .hidden))
  var json = false

  @Option(
    help: ArgumentHelp(
      "With --host: the program that mpirun starts ranks with, looked for there and in the search path.",
      visibility: .hidden))
  var daemon: String?

  func run() throws {
    var options = options
    if host {
      let environment = ProcessInfo.processInfo.environment
      let configuration = Result { try parsed(options) }
        .mapError { $0 as? TregError ?? TregError(.bug, "\($0)") }
      Console.print(
        try HostReport(environment: environment, daemon: daemon).json(configuration).text(json ? .line : .indented(2)))
      return
    }
    if let model = options.settings.first, !model.hasPrefix("-") {
      options.settings.removeFirst()
      options.settings = ["--model", model] + options.settings
    }
    let configuration = try parsed(options)
    let environment = ProcessInfo.processInfo.environment
    let machine = try MachineReport(environment: environment)
    guard !configuration.model.isEmpty else {
      Self.show(machine.lines)
      return
    }
    let model = try ModelReport(configuration, environment: environment)
    Self.show(model.lines)
    Console.print("")
    Console.print(model.budget.text(availableBytes: machine.availableBytes))
    Console.print("")
    Console.print(try model.verdict(availableBytes: machine.availableBytes))
  }

  private func parsed(_ options: RunOptions) throws -> RunConfiguration {
    try options.parse(requiring: [], otherFlags: []).configuration
  }

  /// Names and findings; on a terminal long findings are wrapped at blanks.
  private static func show(_ lines: [(name: String, finding: String)]) {
    let terminal = Terminal.standardOutput
    Console.print(Listing(lines).text(width: terminal.isTerminal ? terminal.width : .max))
  }
}
