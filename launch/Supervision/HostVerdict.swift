import LaunchPlan
import Reporting
import RunFolder

/// Whether the hosts that were asked can carry a run together: one table, a line for each problem, warnings.
package struct HostVerdict: Sendable {
  /// What the run wants of every host.
  package struct Needs: Sendable {
    /// Bytes of all ranks of a host; nil: unknown.
    package var memory: Int?
    /// Bytes that two checkpoints take; nil: unknown.
    package var disk: Int?
    /// Cores that the ranks of a host use; nil: as many as there are.
    package var cores: Int?
    /// The MPI that starts the ranks, by the name of its shim; nil: any that all hosts have.
    package var mpi: String?
    /// The name of the program by which mpirun starts ranks there; nil: it needs none.
    package var daemon: String?

    package init() {}
  }

  package struct Problem: Sendable, Equatable {
    package let host: String
    package let line: String
    package let code: ExitCode

    package init(host: String, line: String, code: ExitCode) {
      self.host = host
      self.line = line
      self.code = code
    }

    package var error: TregError { TregError(code, at: host, line) }
  }

  private static let tolerableSkew = 2.0

  package let problems: [Problem]
  package let warnings: [String]
  package let table: String

  /// Hosts without a problem, in order.
  package let fit: [String]

  /// - Parameter comparesMPI: whether ranks will talk by MPI.
  package init(_ findings: [HostCheck.Finding], needs: Needs, comparesMPI: Bool = true) {
    let all = findings.compactMap { try? $0.answer.get() }
    let build = Self.majority(all.map(\.build))
    let inputs = Self.majority(all)
    func mpi(_ facts: HostFacts) -> String? {
      needs.mpi.map { facts.mpi[$0] } ?? (facts.mpi["openmpi"] ?? facts.mpi["mpich"])
    }
    let library = Self.majority(all.map { mpi($0) ?? "" })
    let reference = zip(findings, findings.map { try? $0.answer.get() })
    func holder(where matches: (HostFacts) -> Bool) -> String {
      reference.first { $0.1.map(matches) ?? false }?.0.host ?? "the others"
    }

    var (problems, warnings): ([Problem], [String]) = ([], [])
    var table = Table([
      ("host", .left), ("cores", .right), ("memory free", .right), ("disk free", .right), ("clock", .right),
      ("build", .left), ("MPI", .left), ("arithmetic", .left), ("inputs", .left),
    ])
    for finding in findings {
      let host = finding.host
      guard case .success(let facts) = finding.answer else {
        if case .failure(let refusal) = finding.answer {
          problems.append(Problem(host: host, line: refusal.line, code: .unavailable))
        }
        table.append([host + " !"] + [String](repeating: "?", count: 8))
        continue
      }
      func check(_ isRight: Bool, _ line: @autoclosure () -> String, _ code: ExitCode = .unavailable) -> String {
        if !isRight { problems.append(Problem(host: host, line: line(), code: code)) }
        return isRight ? "" : " !"
      }
      let buildMark = check(
        facts.build == build,
        "has another build of treg than \(holder { $0.build == build }); copy the same program to every host")
      let own = mpi(facts)
      let mpiMark = check(
        !comparesMPI || (own != nil && own == library),
        own == nil
          ? "has no MPI that treg can load\(needs.mpi.map { " (\($0))" } ?? "")"
          : "has another MPI (\(own!)) than \(holder { mpi($0) == library }) (\(library ?? "?"))")
      let daemonMark = check(
        needs.daemon == nil || facts.daemon != .missing,
        "has no \(needs.daemon ?? ""), by which mpirun starts ranks there; install the same MPI in the same place")
      let coreMark = check(
        facts.cores >= needs.cores ?? 0,
        "has \(facts.cores) cores, its ranks want \(needs.cores ?? 0); lower --nproc-per-node or --threads, or add --oversubscribe",
        .configuration)
      let memoryMark = check(
        needs.memory.map { need in facts.memory.map { $0 >= need } ?? true } ?? true,
        "has \(Self.bytes(facts.memory)) of memory free, its ranks need \(Self.bytes(needs.memory)); "
          + "lower --nproc-per-node or --micro-batch-tokens, or try --recompute true or --weights bf16",
        .configuration)
      var inputMark = ""
      for problem in facts.problems {
        inputMark = check(false, "\(problem.key): \(problem.message)", problem.code)
      }
      for input in facts.inputs {
        guard let expected = inputs?.inputs.first(where: { $0.key == input.key }), expected.hash != input.hash else {
          continue
        }
        inputMark = check(
          false,
          "\(input.key) differs from that of \(holder { $0.inputs.contains(expected) }) (\(Self.differences(input, expected)))"
        )
      }
      var (diskMark, clockMark, kindMark) = ("", "", "")
      if let need = needs.disk, let disk = facts.disk, disk < need {
        diskMark = " !"
        warnings.append(
          "\(host): \(Self.bytes(disk)) of disk free, two checkpoints take about \(Self.bytes(need))")
      }
      if abs(facts.skew) > Self.tolerableSkew {
        clockMark = " !"
        warnings.append("\(host): its clock is \(Self.seconds(facts.skew)) off; times in logs will not agree")
      }
      if let kind = all.first?.arithmetic, facts.arithmetic != kind {
        kindMark = " !"
        warnings.append(
          "\(host): computes with \(facts.arithmetic), \(holder { $0.arithmetic == kind }) with \(kind); bits will "
            + "depend on who computes what, and --reproducible refuses such a mix")
      }
      table.append([
        host, "\(facts.cores)" + coreMark, Self.bytes(facts.memory) + memoryMark, Self.bytes(facts.disk) + diskMark,
        Self.seconds(facts.skew) + clockMark, String(facts.build.prefix(8)) + buildMark,
        (own ?? "none") + (mpiMark.isEmpty ? daemonMark : mpiMark),
        facts.arithmetic + kindMark, Self.summary(facts) + inputMark,
      ])
    }
    self.problems = problems
    self.warnings = warnings
    self.table = table.text
    let unfit = Set(problems.map(\.host))
    fit = findings.map(\.host).filter { !unfit.contains($0) }
  }

  /// The value that most have; of equally frequent ones the earliest.
  private static func majority(_ values: [String]) -> String? {
    var counts: [String: Int] = [:]
    for value in values { counts[value, default: 0] += 1 }
    let most = counts.values.max()
    return values.first { counts[$0] == most }
  }

  /// A host whose inputs most hosts have.
  private static func majority(_ hosts: [HostFacts]) -> HostFacts? {
    func text(_ facts: HostFacts) -> String { facts.inputs.map { "\($0.key)=\($0.hash)" }.joined(separator: " ") }
    let whole = hosts.filter(\.problems.isEmpty)
    return majority(whole.map(text)).flatMap { most in whole.first { text($0) == most } }
  }

  private static func differences(_ one: HostFacts.Input, _ other: HostFacts.Input) -> String {
    if one.bytes != other.bytes { return "\(one.bytes) bytes, not \(other.bytes)" }
    return one.isWhole ? "other bytes" : "other bytes in the first or last MiB of a file"
  }

  private static func summary(_ facts: HostFacts) -> String {
    if facts.inputs.isEmpty { return facts.problems.isEmpty ? "none" : "missing" }
    return facts.inputs.map { "\($0.key) \($0.hash.prefix(6))" }.joined(separator: " ")
  }

  private static func bytes(_ count: Int?) -> String { count.map { NumberFormat.bytes($0) } ?? "?" }

  private static func seconds(_ value: Double) -> String {
    value == 0 ? "0 s" : NumberFormat.signed(value, decimals: 1) + " s"
  }
}

extension HostVerdict {
  /// Prints the table and warnings.
  ///
  /// - Throws: ``TregError`` for a problem, after a line for each other one.
  package func tellAndRefuse() throws {
    Console.note(table)
    for warning in warnings { Console.note("warning: \(warning)") }
    guard let last = problems.last else { return }
    for problem in problems.dropLast() { _ = Console.fail(problem.error, program: "treg-launch") }
    throw last.error
  }

  /// The network in which all hosts were reached, as a CIDR; nil when there is no such network, and Open MPI had better be
  /// told by `--interface`.
  ///
  /// It is the one of the address that ssh came in by: other networks that all hosts have, such as a container bridge, may
  /// lead nowhere. A host that is asked directly, or by srun, has to have it too.
  package static func sharedNetwork(_ findings: [HostCheck.Finding]) -> String? {
    let all = findings.compactMap { try? $0.answer.get() }
    guard all.count == findings.count, !all.isEmpty else { return nil }
    let reached = Set(
      all.compactMap { facts in
        facts.reached.flatMap { address in facts.networks.first { $0.address == address }?.network }
      })
    if let network = reached.first {
      return reached.count == 1 && all.allSatisfy { $0.networks.contains { $0.network == network } } ? network : nil
    }
    // Nobody was reached by ssh: the only network that all have, if it is the only one.
    let common = all.map { Set($0.networks.map(\.network)) }.reduce(Set(all[0].networks.map(\.network))) {
      $0.intersection($1)
    }
    return common.count == 1 ? common.first : nil
  }
}
