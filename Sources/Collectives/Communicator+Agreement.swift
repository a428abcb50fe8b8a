import RunFolder

extension Communicator {
  /// Collective: runs `body` on every rank; if it throws anywhere, all ranks throw the error of the lowest rank it threw on.
  ///
  /// So a mistake that only one rank can see ends the run with one message and one exit code, instead of leaving the
  /// others waiting. `body` itself must not communicate.
  package func agree<Result>(_ body: () throws -> Result) throws -> Result {
    let outcome: Swift.Result<Result, any Error> = Swift.Result(catching: body)
    if size == 1 { return try outcome.get() }
    var failed = Int64(size)
    if case .failure = outcome { failed = Int64(rank) }
    try minimum(&failed)
    if failed == Int64(size) { return try outcome.get() }
    let first = Int(failed)
    // Exit code and host, then the place and the message, as rank `first` saw them.
    let report = try share(from: first) { () -> String in
      guard case .failure(let error) = outcome else { return "" }
      let known = error as? TregError ?? TregError(.bug, "\(error)")
      return "\(known.exitCode.rawValue)\n\(hostName)\n" + (first == 0 ? "" : "rank \(first) (\(hostName)): ")
        + known.description
    }
    let parts = report.split(separator: "\n", maxSplits: 2, omittingEmptySubsequences: false)
    let code = Int32(parts[0]).flatMap(ExitCode.init(rawValue:)) ?? .bug
    throw TregError(
      code, parts.count > 2 ? String(parts[2]) : "a rank failed", isOnAllRanks: true,
      culprit: first == 0 || parts.count < 3 ? nil : TregError.Culprit(rank: first, host: String(parts[1])))
  }

  /// Collective: the text that rank `root` makes, on every rank.
  package func share(from root: Int, _ text: () -> String) throws -> String {
    if size == 1 { return text() }
    let all = try allGather(bytes: rank == root ? Array(text().utf8) : [])
    return String(decoding: all[root], as: UTF8.self)
  }

  /// Collective: refuses to go on unless `value` is the same on every rank.
  ///
  /// - Throws: 76 with `what` and the first rank that differs from rank 0.
  package func requireEqual(_ value: String, _ what: String) throws {
    if size == 1 { return }
    let all = try allGather(bytes: Array(value.utf8))
    if let rank = all.firstIndex(where: { $0 != all[0] }) {
      throw TregError(
        .ranksDisagree,
        "\(what) of rank \(rank) differs from rank 0's (\(String(decoding: all[rank].prefix(40), as: UTF8.self)) against \(String(decoding: all[0].prefix(40), as: UTF8.self)))",
        isOnAllRanks: true)
    }
  }

  /// Collective: a name that all ranks have in common, and no other start of theirs has.
  package func runName() throws -> String {
    try share(from: 0) { "\(Machine.processIdentifier)-\(Int(Machine.now * 1000))" }
  }
}
