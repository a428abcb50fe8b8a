import LaunchPlan
import RunFolder
import Testing

/// The exact words that start ranks, for every program that can.
@Suite struct BackendTests {
  private static func plan(
    _ options: LaunchOptions, _ starter: Starter = .mpirun(path: "/usr/bin/mpirun", flavour: .openMPI),
    _ change: (inout LaunchPlan.Surroundings) -> Void = { _ in }
  ) throws -> LaunchPlan {
    var around = LaunchPlan.Surroundings()
    change(&around)
    let machine = try Machine.twoNodes()
    return try LaunchPlan(
      options, on: Topology(root: machine.root), worker: LaunchPlanTests.worker, starter: starter, around)
  }

  @Test func thisMachine() throws {
    #expect(
      try Self.plan(LaunchOptions(ranksPerNode: 2, threads: 3, arguments: ["train", "--out", "$HOME\n"])) {
        $0.attempt = 1
      }.commandLine
        == "/usr/bin/mpirun --tag-output -np 2 --map-by ppr:2:node:PE=3 --bind-to core "
        + "-x TREG_ATTEMPT -x TREG_EXPECTED_RANKS /opt/treg/treg train --out '$HOME\n' --threads 3")
    // Records of an evaluation are longer than mpirun's labels allow.
    let evaluation = try Self.plan(LaunchOptions(ranksPerNode: 2, arguments: ["evaluate"]))
    #expect(evaluation.label == nil && evaluation.command.contains("--quiet"))
    var shared = LaunchOptions(ranksPerNode: 2, arguments: ["train"])
    shared.binds = false
    let words = try Self.plan(shared).command
    #expect(words.contains("none") && words.contains("ppr:2:node:OVERSUBSCRIBE"))
  }

  @Test func hostsOfAFile() throws {
    let file = try Machine(["hosts": "n1\nn2\nn3 slots=4\n"])
    var options = LaunchOptions(ranksPerNode: 1, threads: 2, hostfile: file.root + "/hosts", arguments: ["train"])
    options.sshConfig = "/etc/ssh/cluster"
    let plan = try Self.plan(options) {
      $0.interface = "10.77.0.0/24"
      $0.attempt = 0
      $0.forwarded = ["HF_HOME", "TREG_ATTEMPT", "TREG_CACHE"]
    }
    #expect(
      plan.commandLine
        == "/usr/bin/mpirun --tag-output -np 3 --hostfile \(file.root)/hosts "
        + "--mca plm_rsh_args '-F /etc/ssh/cluster -o BatchMode=yes -o ConnectTimeout=10' --mca btl tcp,vader,self "
        + "--mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 "
        + "--mca oob_tcp_keepalive_time 5 --mca oob_tcp_keepalive_intvl 2 --mca oob_tcp_keepalive_probes 3 "
        + "--map-by ppr:1:node:PE=2 --bind-to core -x TREG_ATTEMPT -x TREG_EXPECTED_RANKS -x HF_HOME -x TREG_CACHE "
        + "/opt/treg/treg train --threads 2")
    #expect(plan.environment == ["TREG_ATTEMPT": "0", "TREG_EXPECTED_RANKS": "3"])
    // A host that stays away.
    let rest = try Self.plan(options) { around in
      around.hosts = try? options.hosts()?.keeping(["n1", "n3"], path: "/run/hosts")
    }
    #expect(rest.ranks == 2 && rest.command.contains("/run/hosts"))
  }

  @Test func aJobOfSlurm() throws {
    let job = Allocation([
      "SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "3", "SLURM_NTASKS_PER_NODE": "2", "SLURM_CPUS_PER_TASK": "2",
      "SLURM_CPUS_ON_NODE": "4", "SLURM_JOB_NODELIST": "n[1-3]",
    ])
    let plan = try Self.plan(LaunchOptions(arguments: ["train"]), .srun(path: "/usr/bin/srun")) {
      $0.allocation = job
      $0.attempt = 2
    }
    #expect(
      plan.commandLine
        == "/usr/bin/srun --mpi=pmix -K1 --label --nodes=3 --ntasks=6 --ntasks-per-node=2 -c 2 --cpu-bind=none "
        + "/opt/treg/treg train --threads 2")
    #expect(plan.environment == ["TREG_ATTEMPT": "2", "TREG_EXPECTED_RANKS": "6"] && plan.label == .srun)
    // Without PMIx mpirun takes the job's nodes.
    let words = try Self.plan(LaunchOptions(arguments: ["train"])) { $0.allocation = job }.commandLine
    #expect(words.hasPrefix("/usr/bin/mpirun --tag-output -np 6 --mca btl tcp,vader,self "))
    #expect(!words.contains("--hostfile") && words.contains("ppr:2:node"))
    #expect(throws: TregError.self) {
      try Self.plan(LaunchOptions(nodes: 4, arguments: ["train"])) { $0.allocation = job }
    }
    #expect(Allocation(["SLURM_JOB_ID": "7"]) == nil)
  }

  @Test func moreThreadsThanCoresAreOneLine() throws {
    let plan = try Self.plan(LaunchOptions(ranksPerNode: 3, threads: 4, arguments: ["train"]))
    #expect {
      try plan.checkCores(8, of: "n2")
    } throws: { error in
      (error as? TregError)?.exitCode == .configuration
        && "\(error)".hasPrefix("n2: 3 ranks × 4 threads need 12 cores, it has 8")
    }
    try plan.checkCores(12, of: "n2")
  }

  @Test func flagsThatExcludeEachOtherAreRefused() throws {
    var options = LaunchOptions(isDebug: true, arguments: ["train"])
    options.batch.isAsked = true
    #expect(throws: TregError.self) { try options.check() }
    options = LaunchOptions(arguments: ["train"])
    options.batch.partition = "day"
    #expect(throws: TregError.self) { try options.check() }
    options.batch.isAsked = true
    try options.check()
    options.sshConfig = "a b"
    #expect(throws: TregError.self) { try options.check() }
  }

  @Test func mpichTakesInterfacesByName() throws {
    let own = [NetworkAddress(interface: "ib0", address: 0x0A4D_000B, mask: 0xFFFF_FF00)]
    func name(_ network: String?, asked: String? = nil) throws -> String? {
      try LaunchPlan.interfaceName(network, asked: asked, among: own)
    }
    #expect(try name("10.77.0.0/24") == "ib0" && name("eth3", asked: "eth3") == "eth3" && name(nil) == nil)
    #expect(try name("10.78.0.0/24") == nil)
    #expect { try name("10.78.0.0/24", asked: "10.78.0.0/24") } throws: {
      ($0 as? TregError)?.exitCode == .configuration && "\($0)".hasPrefix("--interface 10.78.0.0/24: no interface")
    }
  }

  @Test func variablesForOtherHosts() {
    #expect(
      ForwardedVariables.names(in: ["TREG_X": "1", "HOME": "/", "HF_HOME": "h", "LD_LIBRARY_PATH": "l", "PATH": "p"])
        == ["HF_HOME", "LD_LIBRARY_PATH", "TREG_X"])
  }
}

@Suite struct HostfileTests {
  @Test func namesSlotsAndRemarks() throws {
    let file = try Hostfile(text: "# ours\nn1 slots=4 max_slots=8  # big\r\n\n  n2:2\nroot@10.0.0.3\n", path: "h")
    #expect(file.names == ["n1", "n2", "root@10.0.0.3"])
    #expect(file.hosts.map(\.slots) == [4, 2, nil] && file.hosts.map(\.lineNumber) == [2, 4, 5])
    #expect(file.keeping(["n1"], path: "p").hosts.map(\.line) == ["n1 slots=4 max_slots=8"])
  }

  @Test(arguments: [
    ("", "h: expected a host name in each line, found none"),
    ("# nothing\n\n", "h: expected a host name in each line, found none"),
    ("n1\nn2 slots=\n", "h:2: expected a number of slots above 0, found \"slots=\""),
    ("n1 slots=0", "h:1: expected a number of slots above 0, found \"slots=0\""),
    ("n1 cores=4", "h:1: expected slots=N after the host's name, found \"cores=4\""),
    ("n1 n2", "h:1: expected slots=N after the host's name, found \"n2\""),
    ("n1\n\nn1 slots=2", "h:3: n1 stands in line 1 already"),
    ("n1\n-oProxyCommand=x", "h:2: expected a host name, found \"-oProxyCommand=x\""),
    ("n1;reboot", "h:1: expected a host name, found \"n1;reboot\""),
    ("n1:x", "h:1: expected a number of slots above 0, found \"n1:x\""),
  ])
  func mistakesAreNamedByLine(text: String, message: String) {
    #expect {
      try Hostfile(text: text, path: "h")
    } throws: { ($0 as? TregError)?.exitCode == .configuration && "\($0)" == message }
  }

  @Test func fewSlotsAndTheOtherMPIsFormAreRefused() throws {
    for (text, flavour) in [
      ("n1 slots=1\n", LaunchPlan.Flavour.openMPI), ("n1:4\n", .openMPI), ("n1 slots=4\n", .mpich),
    ] {
      let machine = try Machine.twoNodes(["hosts": text])
      let options = LaunchOptions(ranksPerNode: 2, hostfile: machine.root + "/hosts", arguments: ["train"])
      #expect { try LaunchPlanTests.plan(options, machine, flavour) } throws: {
        ($0 as? TregError)?.exitCode == .configuration && "\($0)".hasPrefix("\(machine.root)/hosts:1: ")
      }
    }
  }
}

@Suite struct WorkerWordsTests {
  @Test func configurationsAreFoundAmongTheWords() {
    let words = WorkerWords(["--config", "a.yaml", "--resume", "ck", "--beta", "1", "--overwrite"])
    #expect(words.configuration == ["--config", "a.yaml", "--beta", "1"] && words.checkpoint == "ck")
    #expect(WorkerWords(["--resume", "--beta", "1"]).checkpoint == nil)
  }

  @Test(arguments: [
    (["train", "--overwrite", "--beta", "1"], ["train", "--beta", "1", "--resume"]),
    (["train", "--resume", "ck", "--beta", "1"], ["train", "--beta", "1", "--resume"]),
    (["train", "--resume"], ["train", "--resume"]), (["train", "--resume=ck"], ["train", "--resume"]),
  ])
  func restartsResume(words: [String], resumed: [String]) {
    #expect(WorkerWords.resuming(words) == resumed)
    #expect(WorkerWords.resuming(words, from: "a b").last == "--resume=a b")
  }
}

@Suite struct RankLabelTests {
  @Test func linesAreTakenApart() {
    let open = RankLabel.openMPI.pieces(of: "[1,0]<stdout>:part[1,12]<stderr>:other")
    #expect(open == [.init(rank: 0, text: "part"), .init(rank: 12, text: "other")])
    #expect(RankLabel.openMPI.pieces(of: "mpirun noticed") == [.init(rank: nil, text: "mpirun noticed")])
    #expect(RankLabel.openMPI.pieces(of: "[1,3]<stderr>:") == [.init(rank: 3, text: "")])
    #expect(RankLabel.mpich.pieces(of: "[7] hello [1] x") == [.init(rank: 7, text: "hello [1] x")])
    #expect(RankLabel.srun.pieces(of: " 3: a: b") == [.init(rank: 3, text: "a: b")])
    #expect(RankLabel.srun.pieces(of: "srun: error: n2") == [.init(rank: nil, text: "srun: error: n2")])
  }
}

@Suite struct FailureKindTests {
  @Test(
    arguments: [
      (0, false, FailureKind.none), (130, false, .none), (75, false, .none), (75, true, .passing),
      (64, false, .lasting),
      (65, false, .lasting), (66, false, .lasting), (70, false, .lasting), (73, false, .lasting), (77, false, .lasting),
      (78, false, .lasting), (79, false, .lasting), (1, false, .passing), (69, false, .passing), (74, false, .passing),
      (76, false, .passing), (137, false, .passing), (139, false, .passing), (134, false, .passing),
      (205, false, .passing),
    ] as [(Int32, Bool, FailureKind)])
  func codesDecideAboutAnotherTry(code: Int32, isStall: Bool, kind: FailureKind) {
    #expect(FailureKind(code: code, isStall: isStall) == kind)
  }

  @Test(
    arguments: [(0, 0), (65, 65), (137, 137), (139, 70), (134, 70), (205, 69), (1, 69), (143, 137)] as [(Int32, Int32)])
  func lastCodesAreThoseOfUsers(code: Int32, expected: Int32) {
    #expect(FailureKind.exitCode(code, isStall: false) == expected)
    #expect(FailureKind.exitCode(75, isStall: true) == 69 && FailureKind.exitCode(75, isStall: false) == 75)
  }
}
