import CMPI
import Glibc
import RunFolder

/// All ranks of a run, and what they do together; a solo process is a communicator of one rank without MPI.
///
/// A collective is called by every rank, in the same order and with the same counts, from the one thread that connected.
/// Errors of MPI are thrown as 69 with the call's name; the ranks are then out of step, and the process should `abort`.
/// Same number of ranks and same counts: same bits.
package final class Communicator {
  package let rank: Int
  package let size: Int
  package let hostName: String
  /// "solo", or MPI's name and version.
  package let implementation: String

  /// nil: solo.
  let library: MPILibrary?
  /// Bytes that one call into MPI carries at most.
  let pieceBytes: Int
  /// How many hosts the ranks stand on, and whether those of this one share memory.
  package let hostCount: Int
  package let sharesMemory: Bool

  /// The measured best (`CMPI/reduce.c`, `CMPI/shards.c`): pieces stay in cache and need no large temporary buffers.
  package static let defaultPieceBytes = 1 << 20
  /// Bytes of a slot that ranks of one host exchange pieces through: a few of them stay in a core's cache.
  private static let slotBytes = 1 << 17

  /// One rank, no MPI. Every collective is the identity.
  package static func solo() -> Communicator { Communicator() }

  private init() {
    rank = 0
    size = 1
    hostName = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { name in
      name.initialize(repeating: 0)
      // The last byte stays zero, also when a long name is cut.
      return gethostname(name.baseAddress!, name.count - 1) == 0 ? String(cString: name.baseAddress!) : "localhost"
    }
    implementation = "solo"
    library = nil
    pieceBytes = Self.defaultPieceBytes
    hostCount = 1
    sharesMemory = false
  }

  /// Starts MPI from a loaded shim. `expectedSize` is what the launcher promised.
  private init(
    library: MPILibrary, expectedSize: Int?, pieceBytes: Int, ranksPerHost: Int
  ) throws(TregError) {
    precondition(pieceBytes >= 8 && pieceBytes % 8 == 0 && pieceBytes <= Int(Int32.max), "unusable size of pieces")
    let name = try library.text { library.table.library_name($0, $1, $2) }
    library.table.show_pulse(
      cmpi_pulse(beats: Pulse.beatsAddress, peer: Pulse.peerAddress, offset: Pulse.offsetAddress))
    Pulse.isWaiting = true
    defer { Pulse.isWaiting = false }
    try library.call { table, error in table.initialize(error) }
    var ownRank: Int32 = 0
    var ranks: Int32 = 0
    try library.call { table, error in table.rank(&ownRank, error) }
    try library.call { table, error in table.size(&ranks, error) }
    if let expectedSize, expectedSize != Int(ranks) {
      // Another MPI's launcher: this library saw nobody and made a world of its own. Its farewell does not matter.
      try? library.call { table, error in table.finalize(error) }
      throw TregError(
        .unavailable,
        "\(expectedSize) ranks were started, but \(name) found \(ranks): they were started by another MPI's launcher; "
          + "use the mpirun that belongs to \(name), or set TREG_MPI to openmpi or mpich")
    }
    rank = Int(ownRank)
    size = Int(ranks)
    hostName = try library.text { library.table.host($0, $1, $2) }
    implementation = name
    self.library = library
    self.pieceBytes = pieceBytes
    var hosts: Int32 = 0
    var shares: Int32 = 0
    try library.call { table, error in
      table.open_hosts(Int32(ranksPerHost), Int64(Self.slotBytes), &hosts, &shares, error)
    }
    hostCount = Int(hosts)
    sharesMemory = shares != 0
  }

  /// Joins the ranks that the environment speaks of, or is solo when it speaks of none.
  ///
  /// Call it once, on the thread that will make all collective calls (the main thread).
  /// - Parameters:
  ///   - environment: the process's environment variables. `TREG_RANKS_PER_HOST` treats ranks of one host as if no
  ///     host held more than so many, for comparisons.
  ///   - isShardJob: `--shard` was given; see `RankEnvironment`.
  ///   - pieceBytes: bytes of one call into MPI, a multiple of 8.
  /// - Throws: 78 for Slurm tasks that cannot find each other; 69 for a missing MPI, one that does not start, and one
  ///   that does not belong to the launcher.
  package static func connect(
    environment: [String: String], isShardJob: Bool = false, pieceBytes: Int = defaultPieceBytes
  ) throws(TregError) -> Communicator {
    let ranks = try RankEnvironment(environment, isShardJob: isShardJob)
    guard let launcher = ranks.launcher else { return solo() }
    let kinds = try MPIKind.candidates(for: launcher, environment: environment)
    let library = try Pulse.atFile { () throws(TregError) in try MPILibrary.load(kinds, environment: environment) }
    return try Communicator(
      library: library, expectedSize: ranks.expectedSize, pieceBytes: pieceBytes,
      ranksPerHost: try ranksPerHost(environment))
  }

  /// 0: as many as there are.
  private static func ranksPerHost(_ environment: [String: String]) throws(TregError) -> Int {
    guard let text = environment["TREG_RANKS_PER_HOST"], !text.isEmpty else { return 0 }
    guard let count = Int(text), 1...1_000_000 ~= count else {
      throw .configuration(at: "TREG_RANKS_PER_HOST", "expected a number of ranks, found \"\(text)\"")
    }
    return count
  }

  /// Returns when every rank has called it.
  package func barrier() throws(TregError) {
    try call { table, error in table.barrier(error) }
  }

  /// Leaves MPI in order; every rank calls it last. No collective may follow.
  package func finalize() throws(TregError) {
    try call { table, error in table.finalize(error) }
  }

  /// Ends all ranks with this exit code. Open files are not flushed.
  package func abort(_ code: ExitCode) -> Never {
    if let library { library.table.abort(code.rawValue) }
    _exit(code.rawValue)
  }

  /// A call into the shim, with errors that name this rank; nothing in a solo process.
  func call(
    _ body: (_ table: cmpi_table, _ error: UnsafeMutablePointer<cmpi_error>) -> Int32
  ) throws(TregError) {
    guard let library else { return }
    Pulse.isWaiting = true
    defer { Pulse.isWaiting = false }
    try library.call(at: "rank \(rank) (\(hostName))", body)
  }
}
