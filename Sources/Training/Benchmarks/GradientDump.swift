import Collectives
import Compute
import Configuration
import ModelFiles
import OrderedJSON
import PreferenceData
import RunFolder
import Scoring
import Transformer

/// The gradient of one global batch as a file, for comparisons with other implementations.
package struct GradientDump {
  package struct Report: Sendable {
    package let rows: [Int]
    package let loss: Double
    /// 2-norm of the whole gradient, not clipped.
    package let gradientNorm: Double
    package let path: String

    package var json: JSONValue {
      [
        "rows": .array(rows.map { .integer($0) }), "loss": .number(loss), "grad_norm": .number(gradientNorm),
        "out": .string(path),
      ]
    }
  }

  private let setup: TrainingSetup
  private let rows: [Int]
  private let pairs: PairList

  /// Collective: reads and checks everything.
  ///
  /// - Parameter rows: rows of the batch, counted from 0 over all files.
  package init(
    _ configuration: RunConfiguration, rows: [Int], communicator: Communicator, environment: [String: String]
  ) throws {
    setup = try TrainingSetup(configuration, communicator: communicator, environment: environment)
    let all = setup.train.pairs
    self.rows = rows
    pairs = all.selecting(
      try rows.map { row in
        guard let index = all.index(ofRow: row) else {
          throw TregError(
            .usage, "--rows \(row): \(configuration.data.joined(separator: ", ")) has no such row", isOnAllRanks: true)
        }
        return index
      })
  }

  /// Collective: writes the gradient of the batch's mean loss to the configuration's `out`, a safetensors file of fp32
  /// tensors by their Hugging Face names. The frozen model is the reference; scores are made anew.
  package func run() throws -> Report {
    let communicator = setup.communicator
    let path = setup.configuration.out
    let workers = Workers(threads: setup.threads)
    var frozen: Transformer? = try communicator.agree { try setup.loadReference(workers: workers) }
    let division = setup.virtual.divide(Array(pairs.indices), costs: pairs.costs)
    let scores = try setup.frozenScores(of: pairs, model: frozen!, consumers: setup.virtual.byRank(division))
    let (policy, reference) = try setup.policy(from: &frozen)
    let trainer = try setup.trainer(of: policy, reference: reference, exchange: .allReduce)
    let shares = division[setup.virtual.own]
    let own = shares.flatMap(\.self)
    let (metrics, norm) = try trainer.computeGradient(
      communicator.agree { try pairs.pairs(at: own) }, scores: own.compactMap { scores[$0] },
      counts: shares.map(\.count), globalCount: pairs.count)
    try communicator.agree {
      if communicator.rank == 0 {
        try SafetensorsWriter.write(trainer.model.trained.parameters, as: .float32, to: path) { parameter, write in
          try write(UnsafeBufferPointer(trainer.gradients.slice(parameter.range)))
        }
      }
    }
    return Report(rows: rows, loss: metrics.loss, gradientNorm: norm, path: path)
  }
}
