import Foundation
import Glibc
import LaunchPlan
import Testing

/// Folders for what Open MPI keeps: made and removed by a shell's line, here run as on any host.
@Suite struct SessionFoldersTests {
  @Test func whereTheyLie() throws {
    let own = try #require(SessionFolders(environment: ["TMPDIR": "/scratch"], isHere: true))
    #expect(own.files.hasPrefix("/scratch/treg-launch-") && own.memory == "/dev/shm/" + own.name)
    #expect(SessionFolders(environment: ["TMPDIR": "/scratch"], isHere: false)?.root == "/tmp")
    // Sockets below have paths of 107 bytes at most.
    let long = "/" + String(repeating: "a", count: 60)
    #expect(SessionFolders(environment: ["TMPDIR": long], isHere: true)?.root == "/tmp")
    #expect(SessionFolders(environment: ["OMPI_MCA_orte_tmpdir_base": "/x"], isHere: true) == nil)
    #expect(try #require(SessionFolders(environment: [:], isHere: true)).name != own.name)
  }

  @Test func mpirunIsTold() throws {
    let machine = try Machine.twoNodes()
    let folders = try #require(SessionFolders(environment: [:], isHere: true))
    let options = LaunchOptions(ranksPerNode: 2, arguments: ["train"])
    let plan = try LaunchPlanTests.plan(options, machine, .openMPI)
    #expect(plan.openMPIHosts == ["localhost"])
    #expect(
      Array(plan.keeping(files: folders).command.prefix(8)) == [
        plan.command[0], "--mca", "orte_tmpdir_base", folders.files, "--mca", "btl_vader_backing_directory",
        folders.memory, "--mca",
      ])
    let other = try LaunchPlanTests.plan(options, machine, .mpich)
    #expect(other.openMPIHosts == nil && other.keeping(files: folders) == other)
  }

  @Test(.timeLimit(.minutes(1))) func theyStayWhileInUseAndGoWithTheInput() throws {
    let folders = try #require(SessionFolders(environment: [:], isHere: true))
    let (keeper, input, output) = try Self.start(folders)
    #expect(String(decoding: output.fileHandleForReading.availableData, as: UTF8.self) == "ready\n")
    var isFolder: ObjCBool = false
    for path in [folders.files, folders.memory] {
      #expect(FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue)
      #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o700)
    }
    // Another one of that name touches nothing.
    let second = try Self.start(folders)
    second.keeper.waitUntilExit()
    #expect(second.keeper.terminationStatus == 73 && FileManager.default.fileExists(atPath: folders.memory))

    let rank = Process()
    rank.executableURL = URL(fileURLWithPath: "/bin/sleep")
    rank.arguments = ["60"]
    rank.environment = ["OMPI_MCA_orte_tmpdir_base": folders.files]
    try rank.run()
    try input.fileHandleForWriting.close()
    Thread.sleep(forTimeInterval: 1.5)
    #expect(keeper.isRunning && FileManager.default.fileExists(atPath: folders.files))
    // Other tests may have this process, and so its children, ignore SIGTERM.
    kill(rank.processIdentifier, SIGKILL)
    rank.waitUntilExit()
    keeper.waitUntilExit()
    #expect(keeper.terminationStatus == 0)
    for path in [folders.files, folders.memory] { #expect(!FileManager.default.fileExists(atPath: path)) }
  }

  private static func start(_ folders: SessionFolders) throws -> (keeper: Process, input: Pipe, output: Pipe) {
    let (process, input, output) = (Process(), Pipe(), Pipe())
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = Array(folders.keeper.dropFirst())
    (process.standardInput, process.standardOutput) = (input, output)
    process.standardError = FileHandle.nullDevice
    try process.run()
    return (process, input, output)
  }
}
