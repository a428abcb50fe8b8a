import OrderedJSON
import RunFolder

/// What one host told of itself (`treg doctor --host --json`).
package struct HostFacts: Sendable {
  /// An input of the run, as the host sees it.
  package struct Input: Sendable, Equatable {
    package let key: String
    package let bytes: Int
    package let hash: String
    /// Whether every byte was read for the hash.
    package let isWhole: Bool
  }

  /// Whether the program is there that mpirun starts ranks with.
  package enum Daemon: Sendable, Equatable {
    case notAsked, found, missing
  }

  package struct Problem: Sendable, Equatable {
    package let key: String
    package let message: String
    package let code: ExitCode
  }

  package let host: String
  package let build: String
  package let arithmetic: String
  package let cores: Int
  package let memory: Int?
  package let disk: Int?
  /// Name and version of the MPI behind each shim that loads, by "openmpi" and "mpich".
  package let mpi: [String: String]
  package let daemon: Daemon
  /// The address that ssh reached.
  package let reached: String?
  /// Address and network of each interface.
  package let networks: [(address: String, network: String)]
  package let inputs: [Input]
  package let problems: [Problem]
  /// Seconds that the host's clock is ahead of the launcher's, and how uncertain that is.
  package let skew: Double
  package let uncertainty: Double

  /// - Parameters:
  ///   - asked, answered: when, by the launcher's clock.
  /// - Returns: nil when the value is no such description.
  package init?(_ value: JSONValue, asked: Double, answered: Double) {
    guard let host = value["host"]?.string, let build = value["build"]?.string,
      let arithmetic = value["arithmetic"]?.string, let cores = value["cores"]?.integer,
      let clock = value["clock"]?.double
    else { return nil }
    self.host = host
    self.build = build
    self.arithmetic = arithmetic
    self.cores = cores
    memory = value["memory"]?.integer
    disk = value["disk"]?.integer
    mpi =
      (value["mpi"]?.object).map { object in
        Dictionary(object.compactMap { member in member.value.string.map { (member.key, $0) } }) { first, _ in first }
      } ?? [:]
    daemon =
      switch value["daemon"] {
      case nil: .notAsked
      case .string?: .found
      default: .missing
      }
    reached = value["reached"]?.string
    networks = (value["networks"]?.array ?? []).compactMap { entry in
      guard let address = entry["address"]?.string, let network = entry["network"]?.string else { return nil }
      return (address, network)
    }
    var (inputs, problems): ([Input], [Problem]) = ([], [])
    for entry in value["inputs"]?.array ?? [] {
      guard let key = entry["key"]?.string else { continue }
      if let message = entry["error"]?.string {
        let code = entry["code"]?.integer.flatMap(Int32.init(exactly:)).flatMap(ExitCode.init(rawValue:))
        problems.append(Problem(key: key, message: message, code: code ?? .unavailable))
      } else if let bytes = entry["bytes"]?.integer, let hash = entry["hash"]?.string {
        inputs.append(Input(key: key, bytes: bytes, hash: hash, isWhole: entry["whole"]?.bool ?? false))
      }
    }
    (self.inputs, self.problems) = (inputs, problems)
    // The host looked at its clock somewhere between question and answer; most of that time went by before it did.
    skew = clock < asked ? clock - asked : max(0, clock - answered)
    uncertainty = answered - asked
  }
}
