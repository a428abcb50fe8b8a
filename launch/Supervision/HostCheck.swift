import LaunchPlan
import OrderedJSON
import RunFolder
import Subprocess

/// Asks every host, all at once, to describe itself: by ssh, by srun inside a Slurm job, directly for this machine.
package struct HostCheck: Sendable {
  /// A host and what it said, or why it said nothing.
  package struct Finding: Sendable {
    package let host: String
    package let answer: Result<HostFacts, Refusal>

    package init(host: String, answer: Result<HostFacts, Refusal>) {
      self.host = host
      self.answer = answer
    }
  }

  package struct Refusal: Error, Sendable, Equatable {
    package let line: String

    package init(line: String) { self.line = line }
  }

  /// The worker's path, the same on all hosts.
  package let worker: String
  /// The run's configuration as words of the worker.
  package let words: [String]
  /// Variables that the worker is to see.
  package let environment: [String: String]
  /// The folder to look from.
  package let folder: String
  package let sshConfig: String?
  /// The program that mpirun needs on every host, where it stands beside mpirun here; nil: none.
  package let daemon: String?
  /// Seconds that a host has for its answer.
  package let patience: Double

  package init(
    worker: String, words: [String], environment: [String: String], folder: String, sshConfig: String? = nil,
    daemon: String? = nil, patience: Double = 40
  ) {
    self.worker = worker
    self.words = words
    self.environment = environment
    self.folder = folder
    self.sshConfig = sshConfig
    self.daemon = daemon
    self.patience = patience
  }

  private var question: [String] {
    [worker, "doctor", "--host", "--json"] + (daemon.map { ["--daemon", $0] } ?? []) + words
  }

  /// What ssh is called with. The host's shell reads one line, in which every word is quoted.
  package func command(for host: String, ssh: String) -> [String] {
    RemoteCommand(folder: folder, environment: environment, sshConfig: sshConfig).words(question, on: host, ssh: ssh)
  }

  /// Answers in the order of the hosts.
  ///
  /// - Throws: ``TregError`` 69 when there are other hosts and no ssh.
  package func ask(_ hosts: [String]) async throws -> [Finding] {
    let ssh = Programs.ssh()
    if ssh == nil, let other = hosts.first(where: { !Self.isHere($0) }) {
      throw TregError(.unavailable, at: other, "cannot be reached: no ssh in the search path")
    }
    return try await withThrowingTaskGroup(of: (Int, Finding).self) { group in
      for (index, host) in hosts.enumerated() {
        let command = Self.isHere(host) ? question : command(for: host, ssh: ssh!)
        group.addTask { (index, Finding(host: host, answer: try await answer(of: command))) }
      }
      var findings = [Finding?](repeating: nil, count: hosts.count)
      for try await (index, finding) in group { findings[index] = finding }
      return findings.compactMap(\.self)
    }
  }

  /// One question to all nodes of a Slurm job, by a step with one task on each.
  package func ask(_ allocation: Allocation, srun: String) async throws -> [Finding] {
    let command =
      [
        srun, "--nodes=\(allocation.nodes)", "--ntasks=\(allocation.nodes)", "--ntasks-per-node=1", "--mpi=none",
        "--label",
      ]
      + question
    let (reply, asked, answered) = try await reply(to: command)
    var findings: [Int: Finding] = [:]
    for line in reply.output.split(whereSeparator: \.isNewline) {
      guard let piece = RankLabel.srun.pieces(of: String(line)).first, let task = piece.rank,
        let facts = Self.facts(piece.text, asked, answered)
      else { continue }
      findings[task] = Finding(host: facts.host, answer: .success(facts))
    }
    return (0..<allocation.nodes).map { task in
      findings[task]
        ?? Finding(
          host: "node \(task) of \(allocation.nodeList)",
          answer: .failure(refusal(reply)))
    }
  }

  /// Whether a name is this machine's: mpirun starts ranks there without ssh.
  package static func isHere(_ host: String) -> Bool {
    let own = Machine.hostName
    let names = ["localhost", "127.0.0.1", own, String(own.prefix { $0 != "." })] + NetworkAddress.own.map(\.address)
    return names.contains(host)
  }

  // MARK: One host

  private struct Reply: Sendable {
    var code: Int32
    var output = ""
    var errors = ""
    var isLate = false
  }

  private func answer(of command: [String]) async throws -> Result<HostFacts, Refusal> {
    let (reply, asked, answered) = try await reply(to: command)
    // Shells may greet before the answer.
    let line = reply.output.split(whereSeparator: \.isNewline).last { $0.hasPrefix("{") }
    if let line, let facts = Self.facts(String(line), asked, answered) { return .success(facts) }
    return .failure(refusal(reply))
  }

  private func refusal(_ reply: Reply) -> Refusal {
    let failure = HostFailure(
      code: reply.code, errors: reply.errors, timedOutAfter: reply.isLate ? patience : nil)
    return Refusal(line: failure.line(program: worker))
  }

  private static func facts(_ text: String, _ asked: Double, _ answered: Double) -> HostFacts? {
    (try? JSONValue(parsing: text)).flatMap { HostFacts($0, asked: asked, answered: answered) }
  }

  private func reply(to command: [String]) async throws -> (Reply, asked: Double, answered: Double) {
    let asked = Machine.now
    let patience = patience
    let reply = await withTaskGroup(of: Reply?.self) { group in
      group.addTask { await Self.run(command) }
      group.addTask {
        try? await Task.sleep(for: .seconds(patience))
        return nil
      }
      let first = await group.next() ?? nil
      group.cancelAll()
      if let first { return first }
      // What was printed until then, by the one that is being ended.
      var late = (await group.next() ?? nil) ?? Reply(code: 255)
      late.isLate = true
      return late
    }
    return (reply, asked, Machine.now)
  }

  private static func run(_ command: [String]) async -> Reply {
    do {
      let result = try await Subprocess.run(
        .path(.init(command[0])), arguments: Arguments(Array(command.dropFirst())), input: .none,
        output: .string(limit: 1 << 24), error: .string(limit: 1 << 20))
      let code: Int32 =
        switch result.terminationStatus {
        case .exited(let code): code
        case .signaled(let signal): 128 + signal
        }
      return Reply(code: code, output: result.standardOutput, errors: result.standardError)
    } catch {
      return Reply(code: 127, errors: "\(error)")
    }
  }
}
