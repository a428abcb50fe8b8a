import Collectives
import Compute
import OrderedJSON
import RunFolder

/// What does not change while a run lasts, as `OUT/run/run.json` tells it: where it runs, and from what.
struct RunFacts {
  private let setup: TrainingSetup
  /// The host of each rank.
  private let hosts: [String]

  /// Collective.
  init(_ setup: TrainingSetup) throws {
    self.setup = setup
    let communicator = setup.communicator
    hosts = try communicator.allGather(bytes: Array(communicator.hostName.utf8)).map {
      String(decoding: $0, as: UTF8.self)
    }
  }

  var json: JSONValue {
    [
      "started_utc": .string(Machine.timestamp()), "ranks": .integer(hosts.count), "threads": .integer(setup.threads),
      "mpi": .string(setup.communicator.implementation), "hosts": .array(hosts.map { .string($0) }),
      "parameters": .integer(setup.source.model.parameterCount), "steps": .integer(setup.plan.stepCount),
      "pairs": .integer(setup.train.pairs.count), "data_hash": .string(setup.train.tokens.contentHash),
      "reference_hash": .string(setup.modelHash), "arithmetic": .string(Arithmetic.kind),
    ]
  }
}
