import Collectives
import RunFolder
import Testing

/// Who started this process, judged by its environment alone.
@Suite struct RankEnvironmentTests {
  private func launcher(_ environment: [String: String], isShardJob: Bool = false) throws -> RankEnvironment.Launcher? {
    try RankEnvironment(environment, isShardJob: isShardJob).launcher
  }

  @Test func nothingSaidIsSolo() throws {
    #expect(try launcher(["HOME": "/home/me", "OMPI_MCA_btl": "self"]) == nil)
  }

  @Test func launchersAreRecognised() throws {
    let openMPI = try RankEnvironment(["OMPI_COMM_WORLD_SIZE": "4", "PMIX_RANK": "2", "PMIX_NAMESPACE": "x"])
    #expect(openMPI.launcher == .openMPI && openMPI.expectedSize == 4)
    let mpich = try RankEnvironment(["PMI_SIZE": "3", "PMI_RANK": "0"])
    #expect(mpich.launcher == .pmi && mpich.expectedSize == 3)
    let pmix = try RankEnvironment(["PMIX_RANK": "0"])
    #expect(pmix.launcher == .pmix && pmix.expectedSize == nil)
  }

  @Test func slurmWithPMIxExpectsTheStepsTasks() throws {
    let environment = [
      "SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "6", "SLURM_NTASKS": "8",
      "PMIX_RANK": "1",
    ]
    let ranks = try RankEnvironment(environment)
    #expect(ranks.launcher == .pmix && ranks.expectedSize == 6)
  }

  @Test func slurmTasksThatCannotMeetAreRefused() throws {
    let environment = [
      "SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "6",
    ]
    let error = #expect(throws: TregError.self) { try RankEnvironment(environment) }
    #expect(error?.exitCode == .configuration)
    #expect(error?.description.contains("add --mpi=pmix") == true)
    #expect(error?.description.contains("6 tasks") == true)
    #expect(try launcher(environment, isShardJob: true) == nil)
    // Older Slurm names only the job's tasks.
    #expect(throws: TregError.self) {
      try RankEnvironment(["SLURM_STEPID": "0", "SLURM_PROCID": "0", "SLURM_NTASKS": "2"])
    }
  }

  @Test(arguments: ["batch", "4294967291", "4294967290", "interactive"])
  func slurmScriptsAndShellsAreSolo(step: String) throws {
    #expect(
      try launcher(["SLURM_JOB_ID": "7", "SLURM_STEP_ID": step, "SLURM_PROCID": "0", "SLURM_NTASKS": "8"]) == nil)
  }

  @Test func slurmJobsWithoutAStepOrWithOneTaskAreSolo() throws {
    #expect(try launcher(["SLURM_JOB_ID": "7", "SLURM_NTASKS": "8", "SLURM_PROCID": "0"]) == nil)
    #expect(
      try launcher([
        "SLURM_JOB_ID": "7", "SLURM_STEP_ID": "1", "SLURM_PROCID": "0", "SLURM_NTASKS": "8",
        "SLURM_STEP_NUM_TASKS": "1",
      ]) == nil)
  }

  @Test(arguments: ["", "0", "-1", "four"]) func sizesMustBeNumbers(value: String) {
    let error = #expect(throws: TregError.self) { try RankEnvironment(["OMPI_COMM_WORLD_SIZE": value]) }
    #expect(error?.exitCode == .configuration && error?.place == "OMPI_COMM_WORLD_SIZE")
  }

  @Test func expectedRankIsTheLaunchersWord() {
    #expect(RankEnvironment.expectedRank([:]) == 0)
    #expect(RankEnvironment.expectedRank(["OMPI_COMM_WORLD_RANK": "3", "SLURM_PROCID": "0"]) == 3)
    #expect(RankEnvironment.expectedRank(["PMI_RANK": "2"]) == 2)
    #expect(RankEnvironment.expectedRank(["PMIX_RANK": "5", "SLURM_PROCID": "5"]) == 5)
    #expect(RankEnvironment.expectedRank(["SLURM_PROCID": "4"]) == 4)
    // Every shard job speaks for itself.
    #expect(RankEnvironment.expectedRank(["SLURM_PROCID": "4"], isShardJob: true) == 0)
  }

  @Test func theMPIFollowsTheLauncherUnlessNamed() throws {
    #expect(try MPIKind.candidates(for: .openMPI, environment: [:]) == [.openMPI])
    #expect(try MPIKind.candidates(for: .pmi, environment: [:]) == [.mpich])
    #expect(try MPIKind.candidates(for: .pmix, environment: [:]) == [.openMPI, .mpich])
    #expect(try MPIKind.candidates(for: .pmix, environment: ["TREG_MPI": "mpich"]) == [.mpich])
    let error = #expect(throws: TregError.self) {
      try MPIKind.candidates(for: .pmi, environment: ["TREG_MPI": "lam"])
    }
    #expect(error?.exitCode == .configuration)
  }

  @Test func theShimIsFoundFromBuildAndInstallFolders() {
    let installed = MPILibrary.folders(beside: "/opt/treg/bin/treg")
    #expect(installed.first == "/opt/treg/bin")
    #expect(installed.contains("/opt/treg/bin/../lib/treg"))
    #expect(
      MPILibrary.folders(beside: "/p/.build/x86_64-unknown-linux-gnu/release/treg").contains(
        "/p/.build/x86_64-unknown-linux-gnu/release/../../cmpi"))
  }
}
