import ArgumentParser
import Configuration
import Foundation
import Reporting
import RunFolder
import Training

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure training steps, kernels and collectives, or write a gradient for comparisons.",
    subcommands: [BenchStep.self, BenchGradients.self, BenchKernels.self, BenchCollectives.self, BenchProbe.self])
}

struct BenchStep: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "step",
    abstract:
      "Time optimizer steps over the first rows, the frozen model's pass over them included; start-up is not counted.",
    discussion: RunConfiguration.keysHelp)

  @OptionGroup var options: RunOptions

  @Option(help: "Rows of the data to train on, from the first.")
  var rows = 24

  @Option(help: "Pairs of a global batch; the same as --global-batch-size.")
  var batch = 1

  @Option(help: "How often all of it is measured; the median is told.")
  var repeats = 1

  @Option(help: "Rows, from the first, of steps that come before and are not measured.")
  var warmup = 0

  @Flag(help: "Time the matrix products of the training passes alone, too, by the BLAS that is linked.")
  var replay = false

  @Flag(help: "Time what guards and watchdog take of a step, too, each part alone.")
  var guards = false

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    guard rows > 0, batch > 0, repeats > 0 else { throw TregError.usage("--rows, --batch and --repeats are 1 or more") }
    guard (0...rows).contains(warmup) else {
      throw TregError.usage("--warmup \(warmup): expected 0 to \(rows), the rows")
    }
    let parsed = try options.parse(
      requiring: ["model", "data"], over: ["--global-batch-size", "\(batch)"],
      otherFlags: ["--rows", "--batch", "--repeats", "--warmup", "--replay", "--guards", "--json"])
    try Session.run(layout: nil) { communicator, environment in
      let report = try StepBenchmark(
        parsed.configuration, rows: rows, warmupRows: warmup, repeats: repeats, replaysProducts: replay,
        timesGuards: guards, communicator: communicator, environment: environment
      ).run()
      if communicator.rank == 0 { Console.print(json ? report.json.text() : report.text) }
      return .done
    }
  }
}

struct BenchGradients: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gradients",
    abstract:
      "Write the gradient of one batch to --out, a safetensors file by Hugging Face names, before any clipping.",
    discussion: RunConfiguration.keysHelp)

  @OptionGroup var options: RunOptions

  @Option(help: "Rows of the batch, counted from 0, with commas between them.")
  var rows = "0"

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    let numbers = try rows.split(separator: ",", omittingEmptySubsequences: false).map { part in
      guard let number = Int(part), number >= 0 else {
        throw TregError.usage("--rows \(rows): expected numbers with commas between them, such as 0,1,2")
      }
      return number
    }
    guard Set(numbers).count == numbers.count else { throw TregError.usage("--rows \(rows): a row is named twice") }
    let parsed = try options.parse(requiring: ["model", "data", "out"], otherFlags: ["--rows", "--json"])
    try Session.run(layout: nil) { communicator, environment in
      let report = try GradientDump(
        parsed.configuration, rows: numbers, communicator: communicator, environment: environment
      ).run()
      guard communicator.rank == 0 else { return .done }
      Console.print(
        json
          ? report.json.text()
          : "loss \(NumberFormat.significant(report.loss, digits: 9)), gradient norm \(NumberFormat.significant(report.gradientNorm, digits: 6)), written to \(report.path)"
      )
      return .done
    }
  }
}

struct BenchKernels: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernels",
    abstract: "Time matrix products, attention and elementwise kernels at the model's shapes, on one thread and on all."
  )

  @OptionGroup var options: RunOptions

  @Option(help: "Tokens of the sequence.")
  var tokens = 512

  @Flag(help: "Print one JSON object per kernel, in a list.")
  var json = false

  func run() throws {
    guard tokens > 0 else { throw TregError.usage("--tokens is 1 or more") }
    let parsed = try options.parse(requiring: ["model"], otherFlags: ["--tokens", "--json"])
    let report = try KernelReport(
      parsed.configuration, tokens: tokens, environment: ProcessInfo.processInfo.environment)
    Console.print(json ? report.json.text() : report.text)
  }
}

struct BenchCollectives: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "collectives",
    abstract: "Time the collectives of a training step beside a copy in memory; run it under mpirun.")

  @Flag(help: "Print one JSON object per collective, in a list.")
  var json = false

  func run() throws {
    try Session.run(layout: nil) { communicator, _ in
      let measurements = try CollectiveBenchmark(communicator).run()
      guard communicator.rank == 0 else { return .done }
      if !json { Console.note("\(communicator.size) ranks, \(communicator.implementation); GB/s of one rank's buffer") }
      Console.print(json ? measurements.json.text() : measurements.text)
      return .done
    }
  }
}

struct BenchProbe: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "probe",
    abstract:
      "Time the parts of a step once, and count what other numbers of ranks would have to do, as one JSON object.",
    discussion: "What treg-launch plan predicts from; run it under mpirun.")

  @OptionGroup var options: RunOptions

  @Option(help: "Numbers of ranks whose loads are counted, with commas between them.")
  var rankCounts = "1"

  func run() throws {
    let counts = try rankCounts.split(separator: ",", omittingEmptySubsequences: false).map { part in
      guard let count = Int(part), count > 0 else {
        throw TregError.usage("--rank-counts \(rankCounts): expected numbers above 0 with commas between them")
      }
      return count
    }
    let parsed = try options.parse(requiring: ["model", "data"], otherFlags: ["--rank-counts"])
    try Session.run(layout: nil) { communicator, environment in
      let report = try ScalingProbe(
        parsed.configuration, rankCounts: counts, communicator: communicator, environment: environment
      ).run()
      if communicator.rank == 0 { Console.print(report.json.text()) }
      return .done
    }
  }
}
