import Collectives
import Compute
import Configuration
import Evaluation
import ModelFiles
import OrderedJSON
import Reporting
import Transformer

/// The kernels of a model, timed for people and scripts.
package struct KernelReport: Sendable {
  package let measurements: [KernelBenchmark.Measurement]

  /// - Parameter tokens: of the sequence whose kernels are timed.
  package init(_ configuration: RunConfiguration, tokens: Int, environment: [String: String]) throws {
    let source = try ModelSource.open(configuration.model)
    let threads = configuration.threadCount(environment: environment)
    let stopwatch = Stopwatch()
    measurements = KernelBenchmark(
      source.model, tokens: tokens, workers: Workers(threads: threads), clock: { stopwatch.seconds }
    ).run()
  }

  /// One line per kernel and number of threads.
  package var text: String {
    var table = Table([("", .left), ("threads", .right), ("microseconds", .right), ("rate", .right), ("", .left)])
    for entry in measurements {
      table.append([
        entry.name, "\(entry.threads)", NumberFormat.fixed(entry.seconds * 1e6, decimals: 0),
        NumberFormat.fixed(entry.rate, decimals: 1), Self.unit(entry.work),
      ])
    }
    return table.text
  }

  package var json: JSONValue {
    .array(
      measurements.map { entry in
        [
          "name": .string(entry.name), "threads": .integer(entry.threads), "seconds": .number(entry.seconds),
          "rate": .number(entry.rate), "unit": .string(Self.unit(entry.work)),
        ]
      })
  }

  private static func unit(_ work: KernelBenchmark.Measurement.Work) -> String {
    switch work {
    case .operations: "GFLOP/s"
    case .bytes: "GB/s"
    }
  }
}
