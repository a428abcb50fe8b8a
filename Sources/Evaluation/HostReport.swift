import Collectives
import Compute
import Configuration
import Glibc
import OrderedJSON
import PreferenceData
import RunFolder

/// What the launcher compares between hosts before it starts ranks on them: the program, what it rounds with, MPI, room,
/// clock, networks, and the run's inputs. `treg doctor --host --json` prints it.
package struct HostReport {
  private let environment: [String: String]
  private let topology: Topology
  private let daemon: String?

  /// - Parameter daemon: the path of the program that mpirun starts ranks with on the first host.
  /// - Throws: 69 when the kernel does not tell which processors are allowed.
  package init(environment: [String: String], daemon: String? = nil) throws {
    self.environment = environment
    self.daemon = daemon
    topology = try Topology()
  }

  /// One object. What is wrong with inputs stands in it, so that a host that answers at all answers whole.
  ///
  /// - Parameter configuration: the run's, or why it cannot be read here.
  package func json(_ configuration: Result<RunConfiguration, TregError>) -> JSONValue {
    var libraries: JSONObject = [:]
    for kind in MPIKind.allCases {
      if case .success(let name) = MPIProbe(kind, environment: environment).library {
        libraries[kind.rawValue] = .string(name)
      }
    }
    let executable = MPILibrary.ownExecutable()
    let build = try? ContentHash.ofFile(executable)
    var report: JSONObject = [
      "host": .string(Machine.hostName), "program": .string(executable),
      "build": build.map { .string($0) } ?? nil, "arithmetic": .string(Arithmetic.kind),
      "cores": .integer(topology.usableCores), "memory": topology.availableBytes.map { .integer($0) } ?? nil,
      "disk": (try? configuration.get()).flatMap { Self.freeBytes(near: $0.out) }.map { .integer($0) } ?? nil,
      "clock": .number(Machine.now), "mpi": .object(libraries),
      // Set by sshd: client's address and port, own address and port.
      "reached": environment["SSH_CONNECTION"]?.split(separator: " ").dropFirst(2).first.map { .string(String($0)) }
        ?? nil,
      "networks": .array(
        NetworkAddress.own.map {
          ["interface": .string($0.interface), "address": .string($0.address), "network": .string($0.network)]
        }),
      "inputs": .array(inputs(configuration)),
    ]
    if let daemon { report["daemon"] = program(daemon).map { .string($0) } ?? .null }
    return .object(report)
  }

  /// Where a program is: at its path, or one of its name in the search path; nil: nowhere.
  private func program(_ path: String) -> String? {
    let folders = (environment["PATH"] ?? "").split(separator: ":").map(String.init)
    let places = [path] + folders.map { FileSystem.join($0, FileSystem.name(of: path)) }
    return places.first { FileSystem.kind(of: $0) == .file && access($0, X_OK) == 0 }
  }

  private func inputs(_ configuration: Result<RunConfiguration, TregError>) -> [JSONValue] {
    switch configuration {
    case .failure(let error): return [Self.failure("config", error)]
    case .success(let configuration):
      var inputs: [JSONValue] = []
      func add(_ key: String, _ names: [String], _ fingerprint: () throws -> FileFingerprint) {
        guard names.contains(where: { !$0.isEmpty }) else { return }
        do {
          let found = try fingerprint()
          inputs.append([
            "key": .string(key), "place": .string(names.joined(separator: ", ")), "files": .integer(found.files),
            "bytes": .integer(found.bytes), "hash": .string(found.hash), "whole": .bool(found.isWhole),
          ])
        } catch {
          inputs.append(Self.failure(key, error as? TregError ?? .badData(at: nil, "\(error)")))
        }
      }
      for (key, name) in [
        ("model", configuration.model), ("reference", configuration.reference),
        ("treg_reward_model", configuration.tregRewardModel),
      ] {
        if let name { add(key, [name]) { try model(name) } }
      }
      for (key, names, split) in [
        ("data", configuration.data, configuration.dataSplit),
        ("eval_data", configuration.evalData, configuration.evalSplit),
      ] {
        add(key, names) {
          try FileFingerprint(ofFiles: DataFiles(split: split, environment: environment).find(names))
        }
      }
      if let rewards = configuration.rewards { add("rewards", [rewards]) { try FileFingerprint(ofFolder: rewards) } }
      return inputs
    }
  }

  /// Of a folder, a file, or a name in the local cache.
  private func model(_ name: String) throws -> FileFingerprint {
    switch FileSystem.kind(of: name) {
    case .folder: return try FileFingerprint(ofFolder: name)
    case .file, .other: return try FileFingerprint(ofFiles: [name])
    case nil:
      guard let folder = try HubCache(environment: environment).folder(of: name, .model) else {
        throw TregError.missing(at: name, "no such file or folder, and no model of that name in the local cache")
      }
      return try FileFingerprint(ofFolder: folder)
    }
  }

  private static func failure(_ key: String, _ error: TregError) -> JSONValue {
    [
      "key": .string(key), "error": .string(error.description), "code": .integer(Int(error.exitCode.rawValue)),
    ]
  }

  /// Bytes that the file system of a folder has left, or of the one that it would be made in.
  private static func freeBytes(near path: String) -> Int? {
    guard !path.isEmpty else { return nil }
    var path = path
    while FileSystem.kind(of: path) == nil, path != "/", path != "." { path = FileSystem.parent(of: path) }
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return nil }
    return Int(status.f_bavail) * Int(status.f_frsize)
  }
}
