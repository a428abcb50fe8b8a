import ArgumentParser
import Configuration
import Evaluation
import Foundation
import Reporting
import RunFolder

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what this machine and this installation have, and whether a model can be trained here.",
    discussion: RunConfiguration.keysHelp)

  @OptionGroup var options: RunOptions

  func run() throws {
    let configuration = try options.parse(requiring: []).configuration
    let environment = ProcessInfo.processInfo.environment
    let machine = try MachineReport(environment: environment)
    Self.show(machine.lines)
    guard !configuration.model.isEmpty else { return }
    let model = try ModelReport(configuration, environment: environment)
    Self.show(model.lines)
    Console.print(model.memory)
    try model.check(availableBytes: machine.availableBytes)
  }

  private static func show(_ lines: [(name: String, finding: String)]) {
    var table = Table([("", .left), ("", .left)])
    for line in lines { table.append([line.name, line.finding]) }
    Console.print(table.text)
  }
}
