import Foundation
import Testing

/// Real ranks on this machine. Both MPIs must be installed; TREG_TESTS_WITHOUT_MPI=1 leaves these tests out.
@Suite(
  .serialized,
  .disabled(if: ProcessInfo.processInfo.environment["TREG_TESTS_WITHOUT_MPI"] == "1", "TREG_TESTS_WITHOUT_MPI is 1"))
struct MPITests {
  /// Builds the shims where the program of checks looks for them; quick when they are there.
  init() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..").standardized
    let folder = URL(fileURLWithPath: Command.check).deletingLastPathComponent().appendingPathComponent("../../cmpi")
    let make = try Command.run(["make", "-s", "-C", "\(root.path)/CMPI", "OUT=\(folder.standardized.path)"])
    try #require(make.exitCode == 0, "\(make.output)")
  }

  /// Pieces of 64 bytes stand for buffers beyond 2³¹: the same code, cut as often.
  @Test(arguments: [1, 2, 3, 4], [64, 1 << 20])
  func openMPIRanksAgreeWithTruth(ranks: Int, pieceBytes: Int) throws {
    let run = try Command.run(Command.openMPI(ranks) + [Command.check, "verify", "\(pieceBytes)"])
    #expect(run.exitCode == 0, "\(run.output)")
    #expect(run.output.contains("checks on \(ranks) ranks, Open MPI"), "\(run.output)")
  }

  @Test(arguments: [2, 3], [64, 1 << 20])
  func mpichRanksAgreeWithTruth(ranks: Int, pieceBytes: Int) throws {
    let run = try Command.run(Command.mpich(ranks) + [Command.check, "verify", "\(pieceBytes)"])
    #expect(run.exitCode == 0, "\(run.output)")
    #expect(run.output.contains("checks on \(ranks) ranks, MPICH"), "\(run.output)")
  }

  /// As if this were several hosts: of one rank each, of equally many, of unequally many.
  @Test(arguments: [(2, "1"), (3, "1"), (4, "2"), (6, "2"), (3, "2"), (5, "3")])
  func ranksOfSeveralHostsAgreeWithTruth(ranks: Int, perHost: String) throws {
    for launcher in [Command.openMPI(ranks), Command.mpich(ranks)] {
      let run = try Command.run(
        launcher + [Command.check, "verify", "64"], environment: ["TREG_RANKS_PER_HOST": perHost])
      #expect(run.exitCode == 0 && run.output.contains("checks on \(ranks) ranks"), "\(run.output)")
    }
  }

  /// Without its component for windows in shared memory, Open MPI refuses them: the same plan goes through messages.
  @Test func withoutSharedMemoryRanksAgreeWithTruth() throws {
    let launcher = Command.openMPI(3) + ["--mca", "osc", "^sm"]
    let run = try Command.run(launcher + [Command.check, "verify", "64"])
    #expect(run.exitCode == 0 && run.output.contains("checks on 3 ranks"), "\(run.output)")
  }

  @Test func hiddenShimIsOneClearLine() throws {
    let run = try Command.run(
      Command.openMPI(1) + [Command.check, "connect"], environment: ["TREG_CMPI": "/nowhere/libcmpi.so"])
    #expect(run.exitCode == 69, "\(run.output)")
    #expect(
      run.output.contains("collectives-check: /nowhere/libcmpi.so: no such file; TREG_CMPI must name the MPI shim"),
      "\(run.output)")
    #expect(run.output.contains("install libopenmpi-dev, then run make"))
  }

  /// A copy of the program in a folder of its own has no shim anywhere near.
  @Test func withoutAShimRanksStopAndSoloGoesOn() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("treg-\(UUID().uuidString)/a/b/c/d")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder.appendingPathComponent("../../../..").standardized) }
    let copy = folder.appendingPathComponent("collectives-check").path
    try FileManager.default.copyItem(atPath: Command.check, toPath: copy)
    let ranks = try Command.run([copy, "connect"], environment: ["PMI_SIZE": "2", "PMI_RANK": "0"])
    #expect(ranks.exitCode == 69, "\(ranks.output)")
    #expect(ranks.output.contains("libcmpi-mpich.so was not found: install libmpich-dev, then run make"))
    let solo = try Command.run([copy, "verify"])
    #expect(solo.exitCode == 0 && solo.output.contains("checks on 1 ranks, solo"), "\(solo.output)")
  }

  @Test func aFileThatIsNoShimIsRefused() throws {
    let run = try Command.run(
      [Command.check, "connect"],
      environment: ["OMPI_COMM_WORLD_SIZE": "1", "TREG_CMPI": #filePath])
    #expect(run.exitCode == 69 && run.output.contains("cannot be loaded"), "\(run.output)")
  }

  @Test func theProgramHasNoMPIInIt() throws {
    let libraries = try Command.run(["ldd", Command.check])
    #expect(libraries.exitCode == 0 && libraries.output.contains("libc.so"))
    #expect(!libraries.output.contains("mpi"), "\(libraries.output)")
  }

  @Test func anotherMPIsLauncherIsNoticed() throws {
    let run = try Command.run(
      Command.openMPI(2) + [Command.check, "connect"], environment: ["TREG_MPI": "mpich"])
    #expect(run.exitCode == 69, "\(run.output)")
    #expect(run.output.contains("2 ranks were started, but MPICH"), "\(run.output)")
    #expect(run.output.contains("another MPI's launcher"))
  }

  @Test func slurmTasksWithoutPMIxAreRefused() throws {
    let run = try Command.run(
      [Command.check, "connect"],
      environment: [
        "SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2",
      ])
    #expect(run.exitCode == 78 && run.output.contains("add --mpi=pmix"), "\(run.output)")
  }

  @Test(arguments: [Command.openMPI(2), Command.mpich(2)])
  func errorsOfMPINameTheCall(launcher: [String]) throws {
    let run = try Command.run(launcher + [Command.check, "fail"])
    #expect(run.exitCode == 69, "\(run.output)")
    #expect(run.output.contains("collectives-check: rank 0: MPI_Bcast failed with code"), "\(run.output)")
    #expect(run.output.contains("root"), "\(run.output)")
  }

  @Test(arguments: [Command.openMPI(3), Command.mpich(2)])
  func abortEndsEveryRankWithItsCode(launcher: [String]) throws {
    let run = try Command.run(launcher + [Command.check, "abort"], seconds: 60)
    #expect(run.exitCode == 75, "\(run.output)")
  }
}
