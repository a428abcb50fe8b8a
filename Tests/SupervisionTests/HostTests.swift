import Foundation
import LaunchPlan
import OrderedJSON
import RunFolder
import Supervision
import Testing

@Suite struct HostFailureTests {
  @Test(
    arguments: [
      (255, "ssh: Could not resolve hostname n9: Name or service not known", HostFailure.unknownHost),
      (255, "No ED25519 host key is known for n2.\r\nHost key verification failed.\r", .hostKey),
      (255, "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.", .hostKey),
      (255, "root@n2: Permission denied (publickey).", .permission),
      (
        255, "ssh: connect to host n2 port 22: Connection refused",
        .unreachable("ssh: connect to host n2 port 22: Connection refused")
      ),
      (127, "env: '/opt/treg': No such file or directory", .programMissing),
      (64, "cd: no such folder\ntreg: Unknown option '--host'", .otherProgram("treg: Unknown option '--host'")),
    ] as [(Int32, String, HostFailure)])
  func sshIsUnderstood(code: Int32, errors: String, failure: HostFailure) {
    #expect(HostFailure(code: code, errors: errors) == failure)
    #expect(!failure.line(program: "/opt/treg").isEmpty)
  }

  @Test func silenceIsUnreachable() {
    #expect(HostFailure(code: 255, errors: "", timedOutAfter: 40) == .unreachable("no answer in 40 s"))
  }
}

@Suite struct RemoteCommandTests {
  @Test func theHostsShellHandsOnWordsAsTheyAre() throws {
    let words = ["a b", "it's", "$HOME", "two\nlines", "", "`id`", ";x"]
    let command = RemoteCommand(folder: "/tmp", environment: ["TREG_X": "1 $2"], sshConfig: "c").words(
      ["sh", "-c", "printf '<%s>' \"$PWD\" \"$TREG_X\" \"$@\"", "sh"] + words, on: "n1", ssh: "/usr/bin/ssh")
    #expect(command.dropLast() == ["/usr/bin/ssh", "-F", "c", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "n1"])
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", command.last!]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    #expect(output == (["/tmp", "1 $2"] + words).map { "<\($0)>" }.joined())
  }
}

@Suite struct HostVerdictTests {
  private static let usual =
    #"{"host":"HOST","build":"aaaaaaaaaa","arithmetic":"own products","cores":4,"memory":8000000000,"disk":9000000000,"clock":100.0,"mpi":{"openmpi":"Open MPI v4.1.4"},"reached":"10.0.0.1","networks":[{"interface":"eth0","address":"10.0.0.1","network":"10.0.0.0/24"},{"interface":"docker0","address":"172.17.0.1","network":"172.17.0.0/16"}],"inputs":[{"key":"model","bytes":10,"hash":"m1","whole":false},{"key":"data","bytes":20,"hash":"d1","whole":true}]}"#

  private static func finding(_ host: String, _ changes: (String, String)...) throws -> HostCheck.Finding {
    let text = changes.reduce(usual.replacing("HOST", with: host)) { $0.replacing($1.0, with: $1.1) }
    let facts = try #require(HostFacts(JSONValue(parsing: text), asked: 99.9, answered: 100.1))
    return HostCheck.Finding(host: host, answer: .success(facts))
  }

  private static var needs: HostVerdict.Needs {
    var needs = HostVerdict.Needs()
    (needs.memory, needs.disk, needs.cores, needs.mpi) = (4_000_000_000, 1_000_000, 4, "openmpi")
    needs.daemon = "orted"
    return needs
  }

  @Test func equalHostsAreFit() throws {
    let verdict = HostVerdict([try Self.finding("n1"), try Self.finding("n2")], needs: Self.needs)
    #expect(verdict.problems.isEmpty && verdict.warnings.isEmpty && verdict.fit == ["n1", "n2"])
    #expect(!verdict.table.contains("!"))
    #expect(HostVerdict.sharedNetwork([try Self.finding("n1"), try Self.finding("n2")]) == "10.0.0.0/24")
  }

  @Test(arguments: [
    ("\"build\":\"aaaaaaaaaa\"", "\"build\":\"b\"", "has another build of treg than n1", ExitCode.unavailable),
    ("v4.1.4", "v5.0.0", "has another MPI (Open MPI v5.0.0) than n1 (Open MPI v4.1.4)", .unavailable),
    ("\"openmpi\"", "\"mpich\"", "has no MPI that treg can load (openmpi)", .unavailable),
    ("\"cores\":4", "\"daemon\":null,\"cores\":4", "has no orted, by which mpirun starts ranks there", .unavailable),
    ("\"cores\":4", "\"daemon\":\"/usr/bin/orted\",\"cores\":4", "", .unavailable),
    ("\"cores\":4", "\"cores\":2", "has 2 cores, its ranks want 4", .configuration),
    ("8000000000", "3000000000", "of memory free, its ranks need", .configuration),
    ("\"d1\"", "\"d2\"", "data differs from that of n1 (other bytes)", .unavailable),
    ("\"bytes\":10", "\"bytes\":11", "", .unavailable),
    (
      "\"hash\":\"m1\"", "\"hash\":\"m2\"",
      "model differs from that of n1 (other bytes in the first or last MiB of a file)", .unavailable
    ),
    (
      "{\"key\":\"model\",\"bytes\":10,\"hash\":\"m1\",\"whole\":false}",
      "{\"key\":\"model\",\"error\":\"m: no such file\",\"code\":66}", "model: m: no such file", .inputMissing
    ),
  ])
  func aHostThatDiffersIsNamed(old: String, new: String, line: String, code: ExitCode) throws {
    let findings = [try Self.finding("n1"), try Self.finding("n2", (old, new)), try Self.finding("n3")]
    let verdict = HostVerdict(findings, needs: Self.needs)
    if line.isEmpty {
      // Equal hashes are equal files, whose sizes only explain; a program that is there may be anywhere.
      #expect(verdict.problems.isEmpty)
      return
    }
    #expect(verdict.problems.count == 1 && verdict.fit == ["n1", "n3"])
    let problem = try #require(verdict.problems.first)
    #expect(problem.host == "n2" && problem.code == code && problem.line.contains(line), "\(problem.line)")
    #expect(verdict.table.split(separator: "\n").filter { $0.contains("!") }.count == 1)
  }

  @Test func clocksKindsAndDisksAreWarnedOf() throws {
    let odd = try Self.finding("n2", ("100.0", "104.0"), ("own products", "products of a BLAS"), ("9000000000", "9"))
    let verdict = HostVerdict([try Self.finding("n1"), odd], needs: Self.needs)
    #expect(verdict.problems.isEmpty && verdict.warnings.count == 3)
    #expect(verdict.warnings.contains { $0.contains("n2: its clock is +3.9 s off") })
    #expect(verdict.warnings.contains { $0.contains("products of a BLAS") })
  }

  @Test func hostsWithoutAnAnswerAreNamed() throws {
    let silent = HostCheck.Finding(host: "n2", answer: .failure(.init(line: "unknown host")))
    let verdict = HostVerdict([try Self.finding("n1"), silent], needs: Self.needs)
    #expect(verdict.problems == [.init(host: "n2", line: "unknown host", code: .unavailable)])
    #expect(HostVerdict.sharedNetwork([try Self.finding("n1"), silent]) == nil)
  }

  /// The bridge of a container engine has the same address everywhere and leads nowhere.
  @Test func networksThatOnlyLookSharedAreNotTaken() throws {
    let other = try Self.finding("n2", ("10.0.0.1", "10.0.1.1"), ("10.0.0.0/24", "10.0.1.0/24"))
    #expect(HostVerdict.sharedNetwork([try Self.finding("n1"), other]) == nil)
    #expect(NetworkAddress(interface: "e", address: 0x0A4D_000B, mask: 0xFFFF_FF00).network == "10.77.0.0/24")
  }
}
