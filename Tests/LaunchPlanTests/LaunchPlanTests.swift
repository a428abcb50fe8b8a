import Glibc
import LaunchPlan
import RunFolder
import Testing

/// A made-up machine below a folder of its own.
final class Machine {
  let root: String

  init(_ files: [String: String]) throws {
    var template = Array("/tmp/treg-tests-XXXXXX".utf8CString)
    root = String(cString: try #require(mkdtemp(&template)))
    for (name, text) in files {
      let path = FileSystem.join(root, name)
      try FileSystem.createFolder(FileSystem.parent(of: path))
      try AtomicFile.write(text, to: path)
    }
  }

  deinit { try? FileSystem.remove(root) }

  /// Two NUMA nodes of four cores with two hardware threads each.
  static func twoNodes(_ more: [String: String] = [:]) throws -> Machine {
    var files = [
      "proc/self/status": "Name:\tx\nCpus_allowed:\tffff\nCpus_allowed_list:\t0-15\n",
      "proc/meminfo": "MemTotal: 100 kB\nMemAvailable:   64 kB\n",
      "sys/devices/system/node/node0/cpulist": "0-3,8-11\n", "sys/devices/system/node/node1/cpulist": "4-7,12-15\n",
      "sys/devices/system/node/online": "0-1\n",
    ]
    for core in 0..<8 {
      for processor in [core, core + 8] {
        files["sys/devices/system/cpu/cpu\(processor)/topology/thread_siblings_list"] = "\(core),\(core + 8)\n"
      }
    }
    return try Machine(files.merging(more) { _, new in new })
  }
}

@Suite struct LaunchPlanTests {
  static let worker = "/opt/treg/treg"

  static func plan(_ options: LaunchOptions, _ machine: Machine, _ flavour: LaunchPlan.Flavour = .openMPI) throws
    -> LaunchPlan
  {
    try LaunchPlan(options, on: try Topology(root: machine.root), worker: worker, starter: ("/usr/bin/mpirun", flavour))
  }

  @Test func readsTheMachine() throws {
    let machine = try Machine.twoNodes()
    let topology = try Topology(root: machine.root)
    #expect(topology.cores == (0..<8).map { [$0, $0 + 8] })
    #expect(topology.nodeCount == 2 && topology.usableCores == 8 && topology.availableBytes == 64 * 1024)
  }

  @Test func limitsOfTheControlGroupCount() throws {
    let machine = try Machine.twoNodes([
      "sys/fs/cgroup/cpu.max": "350000 100000\n", "sys/fs/cgroup/memory.max": "50000\n",
      "sys/fs/cgroup/memory.current": "20000\n",
    ])
    let topology = try Topology(root: machine.root)
    #expect(topology.usableCores == 3 && topology.availableBytes == 30000)
    // Cores cannot be had alone when time on them is shared out.
    #expect(try !Self.plan(LaunchOptions(arguments: ["train"]), machine).isBound)
  }

  @Test func maskedProcessorsAreLeftAlone() throws {
    let machine = try Machine.twoNodes(["proc/self/status": "Cpus_allowed_list:\t2-3,11\n"])
    let topology = try Topology(root: machine.root)
    #expect(topology.cores == [[2], [3, 11]] && topology.nodeCount == 1)
  }

  @Test(arguments: [
    (LaunchOptions(arguments: ["train"]), 2, 4, true),
    (LaunchOptions(ranksPerNode: 3, arguments: ["train"]), 3, 2, true),
    (LaunchOptions(threads: 2, arguments: ["train"]), 2, 2, true),
    (LaunchOptions(ranksPerNode: 16, arguments: ["train"]), 16, 1, false),
    (LaunchOptions(threads: 8, arguments: ["train"]), 1, 8, true),
    (LaunchOptions(isDebug: true, arguments: ["train"]), 1, 8, false),
  ])
  func choosesRanksAndThreads(options: LaunchOptions, ranks: Int, threads: Int, isBound: Bool) throws {
    let plan = try Self.plan(options, try Machine.twoNodes())
    #expect(plan.ranks == ranks && plan.threads == threads && plan.isBound == isBound)
  }

  @Test func moreThreadsThanCoresAreWarnedOf() throws {
    let machine = try Machine.twoNodes()
    let topology = try Topology(root: machine.root)
    func warnings(_ ranks: Int, _ threads: Int) throws -> [String] {
      let options = LaunchOptions(ranksPerNode: ranks, threads: threads, arguments: ["train"])
      return try Self.plan(options, machine).summary(of: topology).filter { $0.hasPrefix("warning") }
    }
    #expect(try warnings(4, 2).isEmpty)
    #expect(try warnings(3, 3) == ["warning   9 threads share 8 cores, which is slower than fewer of them"])
  }

  @Test func commandsAreWrittenForTheirMPI() throws {
    let machine = try Machine.twoNodes(["hosts": "node1 slots=8\n\n# node9\nnode2\n"])
    let hostfile = FileSystem.join(machine.root, "hosts")
    let options = LaunchOptions(hostfile: hostfile, arguments: ["train", "--data", "a b", "it's"])
    #expect(
      try Self.plan(options, machine).commandLine
        == "/usr/bin/mpirun --tag-output -np 4 --hostfile \(hostfile) "
        + "--mca plm_rsh_args '-o BatchMode=yes -o ConnectTimeout=10' --mca btl tcp,vader,self "
        + "--mca oob_tcp_keepalive_time 5 --mca oob_tcp_keepalive_intvl 2 --mca oob_tcp_keepalive_probes 3 "
        + "--map-by ppr:2:node:PE=4 --bind-to core "
        + "-x TREG_EXPECTED_RANKS /opt/treg/treg train --data 'a b' 'it'\\''s' --threads 4")
    let plain = try Machine.twoNodes(["hosts": "node1\nnode2:8\n"])
    let other = FileSystem.join(plain.root, "hosts")
    #expect(
      try Self.plan(LaunchOptions(hostfile: other, arguments: options.arguments), plain, .mpich).commandLine
        == "/usr/bin/mpirun -n 4 -ppn 2 -prepend-rank -f \(other) -bind-to core:4 -genv TREG_EXPECTED_RANKS 4 "
        + "-genv UCX_TLS tcp,self /opt/treg/treg train --data 'a b' 'it'\\''s' --threads 4")
    #expect(try Self.plan(options, machine).environment == ["TREG_EXPECTED_RANKS": "4"])
  }

  @Test func refusesWhatCannotBe() throws {
    let machine = try Machine.twoNodes(["hosts": "node1\n", "empty": "\n"])
    func code(_ options: LaunchOptions) -> ExitCode? {
      do {
        _ = try Self.plan(options, machine)
        return nil
      } catch {
        return (error as? TregError)?.exitCode
      }
    }
    #expect(code(LaunchOptions(ranksPerNode: 0, arguments: ["train"])) == .usage)
    #expect(code(LaunchOptions(nodes: 2, arguments: ["train"])) == .usage)
    #expect(code(LaunchOptions(hostfile: machine.root + "/none", arguments: ["train"])) == .inputMissing)
    #expect(code(LaunchOptions(hostfile: machine.root + "/empty", arguments: ["train"])) == .configuration)
    #expect(code(LaunchOptions(nodes: 2, hostfile: machine.root + "/hosts", arguments: ["train"])) == .configuration)
    #expect(throws: TregError.self) {
      try LaunchPlan(
        LaunchOptions(arguments: ["train"]), on: try Topology(root: machine.root), worker: Self.worker, starter: nil)
    }
  }

  @Test func outputAndExitCodesComeThrough() async throws {
    let machine = try Machine(["treg": "#!/bin/sh\nexit 79\n"])
    let worker = FileSystem.join(machine.root, "treg")
    #expect(chmod(worker, 0o755) == 0)
    let plan = try LaunchPlan(
      LaunchOptions(isDebug: true, arguments: ["train"]), on: try Topology(), worker: worker, starter: nil)
    #expect(try await Launcher.run(plan) == 79)
  }
}
