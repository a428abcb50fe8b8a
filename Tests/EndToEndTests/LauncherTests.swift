import Foundation
import OrderedJSON
import Testing

extension Program {
  static let launcher = URL(fileURLWithPath: treg).deletingLastPathComponent().appendingPathComponent("treg-launch")
    .path

  static func launch(_ arguments: [String], environment: [String: String?] = [:], seconds: Double = 60) throws
    -> Outcome
  {
    try run([launcher] + arguments, environment: environment, seconds: seconds)
  }
}

/// Processes of this machine by their command lines. Source: proc(5).
private func processes(with word: String, rank: Int? = nil) -> [pid_t] {
  let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
  return names.compactMap { pid_t($0) }.filter { process in
    guard process != getpid(),
      let words = FileManager.default.contents(atPath: "/proc/\(process)/cmdline")?.split(separator: 0),
      words.contains(where: { $0.elementsEqual(word.utf8) })
    else { return false }
    guard let rank else { return true }
    let environment = FileManager.default.contents(atPath: "/proc/\(process)/environ")?.split(separator: 0) ?? []
    return environment.contains { $0.elementsEqual("OMPI_COMM_WORLD_RANK=\(rank)".utf8) }
  }
}

extension EndToEndTests {
  /// `treg-launch`: what it prints, what it watches, what it starts again.
  @Suite(.serialized) struct LauncherTests {
    private static let steps = 120

    private static func train(_ out: String, _ more: String...) -> [String] {
      ["--no-bind", "--nproc-per-node", "2"]
        + Tiny.train(
          out,
          ["--global-batch-size", "4", "--max-steps", "\(steps)", "--save-steps", "10", "--learning-rate", "1e-4"]
            + more)
    }

    private static let unbroken: Result<Data, any Error> = Result {
      let scratch = try Scratch()
      let run = try Program.launch(train(scratch.path("out")))
      try #require(run.exitCode == 0, "\(run.errors)")
      return try FinishedRun(scratch.path("out")).modelBytes()
    }

    private func start(_ arguments: [String], out: String, steps: Int = 25) throws -> Program {
      let program = try Program([Program.launcher] + arguments)
      let isUnderWay = program.reaches { ((try? FinishedRun(out).losses().count) ?? 0) > steps }
      if !isUnderWay { Issue.record("\(try program.wait().errors)") }
      try #require(isUnderWay)
      return program
    }

    @Test func dryRunsPrintAndStartNothing() throws {
      let scratch = try Scratch()
      let out = scratch.path("it's here")
      let local = try Program.launch(["--dry-run"] + Self.train(out))
      #expect(local.exitCode == 0 && local.output.contains(" --tag-output -np 2 "), "\(local.errors)")
      #expect(local.output.contains("'\(scratch.path)/it'\\''s here'") && !exists(out))
      let batch = try Program.launch(
        ["--dry-run", "--slurm", "--partition", "day"] + Self.train(out) + ["--", "--mem=0"])
      #expect(batch.exitCode == 0 && batch.output.hasPrefix("#!/bin/bash\n#SBATCH "), "\(batch.errors)")
      #expect(batch.output.contains("#SBATCH --partition=day\n#SBATCH --mem=0\n") && !exists(out))
      let shards = try Program.launch(["--dry-run", "--shards", "3", "--threads", "1"] + Tiny.rewards(out))
      #expect(
        shards.output.split(separator: "\n").count == 3 && shards.output.contains("--shard 2/3"), "\(shards.errors)")
    }

    @Test(.disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"))
    func aKilledRankIsNamedAndTheRunGoesOn() throws {
      #expect(shimsAreBuilt)
      let unbroken = try Self.unbroken.get()
      let scratch = try Scratch()
      let out = scratch.path("out")
      let program = try start(Self.train(out), out: out)
      let rank = try #require(processes(with: out, rank: 1).first)
      kill(rank, SIGKILL)
      let ended = try program.wait()
      #expect(ended.exitCode == 0, "\(ended.errors)")
      #expect(
        ended.errors.contains(": killed by signal 9")
          && ended.errors.contains("treg-launch: restart 1 of 3 in 1 s, from checkpoint-"), "\(ended.errors)")
      #expect(try FinishedRun(out).modelBytes() == unbroken, "the same bits")
      #expect(processes(with: out).isEmpty)
      let status = try Program.launch(["status", out])
      #expect(status.exitCode == 0 && status.output.contains("done, step \(Self.steps) of"), "\(status.output)")
      #expect(status.output.contains("with 137: rank 1"), "\(status.output)")
      let json = try JSONValue(parsing: Program.launch(["status", out, "--jsonl"]).output)
      #expect(json["launch"]?["endings"]?.array?.count == 2 && json["status"]?["state"] == "done")
      let log = try Program.launch(["logs", out, "--rank", "0"])
      #expect(
        log.exitCode == 0 && log.output.contains("start 1") && log.output.contains("resuming from"), "\(log.output)")
      #expect(try Program.launch(["logs", out, "--rank", "5"]).exitCode == 66)
    }

    @Test(.disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"))
    func failuresThatLastAreNotTriedAgainAndOthersNotForEver() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let refused = try Program.launch(Self.train(out, "--data", scratch.path("nowhere.jsonl")))
      #expect(refused.exitCode == 66 && !refused.errors.contains("restart"), "\(refused.errors)")
      // A worker that is killed whenever it starts.
      let program = try start(["--max-restarts", "0"] + Self.train(out, "--overwrite"), out: out)
      for rank in processes(with: out, rank: 0) { kill(rank, SIGKILL) }
      let ended = try program.wait()
      #expect(ended.exitCode == 137, "\(ended.errors)")
      let last = ended.errors.split(separator: "\n").last ?? ""
      #expect(last.hasPrefix("treg-launch: rank 0 (") && last.hasSuffix("→ run/logs/launch.log"), "\(ended.errors)")
    }

    @Test(.disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"))
    func ranksGoWithTheirLauncherAndTheSameCommandResumes() throws {
      let unbroken = try Self.unbroken.get()
      let scratch = try Scratch()
      let out = scratch.path("out")
      let command = Self.train(out, "--resume")
      let program = try start(command, out: out)
      let second = try Program.launch(command)
      #expect(second.exitCode == 73, "\(second.errors)")
      program.signal(SIGKILL)
      _ = try program.wait()
      let end = Date(timeIntervalSinceNow: 30)
      while !processes(with: out).isEmpty, Date() < end { usleep(20_000) }
      #expect(processes(with: out).isEmpty, "ranks are gone in 30 s")
      let again = try Program.launch(command)
      #expect(again.exitCode == 0, "\(again.errors)")
      #expect(try FinishedRun(out).modelBytes() == unbroken, "the same bits")
    }

    @Test(.disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"))
    func stopsAreNoFailures() throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      #expect(try Program.launch(["stop", out]).exitCode == 66)
      let program = try start(Self.train(out), out: out)
      let stop = try Program.launch(["stop", out])
      #expect(stop.exitCode == 0 && stop.output.contains("the run ends after step"), "\(stop.errors)")
      let ended = try program.wait()
      #expect(ended.exitCode == 0 && !ended.errors.contains("restart"), "\(ended.errors)")
      #expect(try Program.launch(["stop", out]).output.contains("nothing to stop"))
      let other = scratch.path("other")
      let long = try start(Self.train(other, "--max-steps", "4000"), out: other)
      long.signal(SIGTERM)
      let preempted = try long.wait()
      #expect(preempted.exitCode == 75 && !preempted.errors.contains("restart"), "\(preempted.errors)")
    }

    @Test func shardsEqualSingleJobsBitForBit() throws {
      let scratch = try Scratch()
      let out = scratch.path("set")
      let words = ["--shards", "5", "--parallel", "2", "--threads", "1"] + Tiny.rewards(out)
      // One of them is there already.
      #expect(try Program.treg(Tiny.rewards(out, "--shard", "3/5")).exitCode == 0)
      let made = try Program.launch(words)
      try #require(made.exitCode == 0, "\(made.errors)")
      #expect(
        made.errors.contains("1 of 5 shards are finished already") && made.errors.contains("shards 5/5"),
        "\(made.errors)")
      for shard in 0..<5 {
        let name = "shard-0000\(shard)-of-00005.rewards"
        #expect(try Program.treg(Tiny.rewards(scratch.path("single"), "--shard", "\(shard)/5")).exitCode == 0)
        #expect(
          FileManager.default.contents(atPath: "\(out)/\(name)")
            == FileManager.default.contents(atPath: scratch.path("single/\(name)")))
      }
      let manifest = try JSONValue(parsing: scratch.text("set/manifest.json"))
      #expect(manifest["rows"] == 24 && manifest["files"]?.array?.allSatisfy { $0["bytes"]?.integer ?? 0 > 0 } == true)
      #expect(try Program.launch(words).errors.contains("5 of 5 shards are finished already"))
      // A shard of other rewards, with the right name.
      #expect(
        try Program.treg(Tiny.rewards(scratch.path("other"), "--shard", "1/5", "--treg-template", "suffix")).exitCode
          == 0)
      let name = "shard-00001-of-00005.rewards"
      try FileManager.default.removeItem(atPath: "\(out)/\(name)")
      let incomplete = try Program.treg(Tiny.train(scratch.path("run"), "--rewards", out))
      #expect(incomplete.exitCode == 65 && incomplete.errors.contains(name), "\(incomplete.errors)")
      try FileManager.default.copyItem(atPath: scratch.path("other/\(name)"), toPath: "\(out)/\(name)")
      let mixed = try Program.treg(Tiny.train(scratch.path("run"), "--rewards", out, "--overwrite"))
      #expect(mixed.exitCode == 65 && mixed.errors.contains(name), "\(mixed.errors)")
      let stale = try Program.launch(words)
      #expect(stale.exitCode == 65 && stale.errors.contains(name), "\(stale.errors)")
    }

    /// The manifest knows shards of the same making by their bytes.
    @Test func theManifestNamesAShardOfOtherBytes() throws {
      let scratch = try Scratch()
      let out = scratch.path("set")
      #expect(try Program.launch(["--shards", "2", "--threads", "1"] + Tiny.rewards(out)).exitCode == 0)
      let text = try scratch.text("set/manifest.json")
      let hash = try #require(JSONValue(parsing: text)["files"]?.array?.last?["payload_hash"]?.string)
      try scratch.write(text.replacing(hash, with: String(repeating: "0", count: 32)), to: "set/manifest.json")
      let run = try Program.treg(Tiny.train(scratch.path("run"), "--rewards", out))
      #expect(run.exitCode == 65 && run.complaints.count == 1, "\(run.errors)")
      #expect(run.errors.contains("shard-00001-of-00002.rewards") && run.errors.contains("the manifest says 0000"))
    }
  }

  /// What is found out about hosts before anything starts, with an ssh that stands for a cluster.
  @Suite(.serialized) struct HostChecksTests {
    /// n1 and n2 are fit; the others are what their names say. Hosts run what ssh is told in a shell, as sshd does.
    private static let ssh = """
      #!/bin/bash
      while [ "${1#-}" != "$1" ]; do shift 2; done
      host=$1
      line=$2
      printf '%s\\n' "$host" >> "$SSH_LOG"
      export SSH_CONNECTION="10.0.0.1 1 10.0.0.2 22"
      case $host in
      unknown) echo "ssh: Could not resolve hostname $host: Name or service not known" >&2; exit 255 ;;
      key) echo "Host key verification failed." >&2; exit 255 ;;
      wrong) echo "root@$host: Permission denied (publickey)." >&2; exit 255 ;;
      away) echo "ssh: connect to host $host port 22: No route to host" >&2; exit 255 ;;
      missing) exec sh -c "${line//doctor/doctor-x}" ;;
      build) exec sh -c "$line" | sed 's/"build": *"[0-9a-f]*"/"build":"00"/' ;;
      model) exec sh -c "$line" | sed 's/"hash": *"[0-9a-f]*"/"hash":"00"/' ;;
      small) exec sh -c "$line" | sed 's/"memory": *[0-9]*/"memory":1000/' ;;
      cores) exec sh -c "$line" | sed 's/"cores": *[0-9]*/"cores":0/' ;;
      clock) exec sh -c "$line" | sed 's/"clock": *[0-9.]*/"clock":5.0/' ;;
      none) exec sh -c "${line/\\/treg\\'*/}" ;;
      *) exec sh -c "$line" ;;
      esac

      """

    private let scratch: Scratch

    init() throws {
      scratch = try Scratch()
      try FileManager.default.createDirectory(atPath: scratch.path("bin"), withIntermediateDirectories: true)
      try scratch.write(Self.ssh, to: "bin/ssh")
      chmod(scratch.path("bin/ssh"), 0o755)
    }

    private func launch(_ hosts: [String], _ arguments: [String]) throws -> Outcome {
      let hostfile = try scratch.write(hosts.map { $0 + "\n" }.joined(), to: "hosts")
      return try Program.launch(
        ["--hostfile", hostfile, "--oversubscribe"] + arguments,
        environment: [
          "PATH": scratch.path("bin") + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"),
          "SSH_LOG": scratch.path("asked"),
        ])
    }

    @Test(.disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"))
    func equalHostsAreTold() throws {
      #expect(shimsAreBuilt)
      let run = try launch(["n1", "n2"], ["doctor"] + Tiny.train(scratch.path("a b's $out")))
      #expect(run.exitCode == 0, "\(run.errors)")
      #expect(
        run.errors.contains("\nn1 ") && run.errors.contains("\nn2 ") && !run.errors.contains("!"), "\(run.errors)")
      #expect(try scratch.text("asked").split(separator: "\n").sorted() == ["n1", "n2"])
    }

    @Test(
      .disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"),
      arguments: [
        ("unknown", 69, "unknown: unknown host"), ("key", 69, "key: ssh does not know its host key"),
        ("wrong", 69, "wrong: ssh is refused (permission denied)"),
        ("away", 69, "away: cannot be reached: ssh: connect to host"),
        ("missing", 69, "missing: "), ("build", 69, "build: has another build of treg than n1"),
        ("model", 69, "model: model differs from that of n1"), ("small", 78, "small: has "),
      ] as [(String, Int32, String)])
    func aHostThatIsNotFitIsNamedAndNothingStarts(host: String, code: Int32, line: String) throws {
      #expect(shimsAreBuilt)
      let out = scratch.path("out")
      let run = try launch(["n1", host, "n2"], Tiny.train(out))
      #expect(run.exitCode == code, "\(run.errors)")
      let complaints = run.errors.split(separator: "\n").filter { $0.hasPrefix("treg-launch: ") }
      #expect(complaints.last?.hasPrefix("treg-launch: \(line)") == true, "\(run.errors)")
      #expect(complaints.allSatisfy { $0.hasPrefix("treg-launch: \(host): ") } && !exists(out), "\(run.errors)")
      #expect(run.errors.contains("\n\(host)") && run.errors.contains("!"))
    }

    @Test(.disabled(if: withoutMPI, "TREG_TESTS_WITHOUT_MPI is 1"))
    func clocksAreWarnedOf() throws {
      #expect(shimsAreBuilt)
      let run = try launch(["n1", "clock"], ["doctor"])
      #expect(run.exitCode == 0 && run.errors.contains("warning: clock: its clock is -"), "\(run.errors)")
    }

    @Test func hostfilesAreRead() throws {
      for (hosts, place) in [
        (["n1", "n1"], ":2: n1 stands in line 1 already"), (["n1 slots=x"], ":1: expected a number"),
        ([], ": expected a host name"),
      ] {
        let run = try launch(hosts, Tiny.train(scratch.path("out")))
        #expect(run.exitCode == 78 && run.errors.contains("hosts\(place)"), "\(run.errors)")
      }
      #expect(!exists(scratch.path("asked")))
    }

    /// Shards on hosts that have one folder in common.
    @Test func shardsAreMadeOnHosts() throws {
      let out = scratch.path("a b's $out")
      let run = try launch(["n1", "n2"], ["--shards", "4", "--threads", "1"] + Tiny.rewards(out))
      #expect(run.exitCode == 0, "\(run.errors)")
      #expect(exists(out + "/manifest.json"))
      let whole = try Program.treg(Tiny.rewards(scratch.path("whole"), "--shard", "2/4"))
      #expect(whole.exitCode == 0)
      let name = "shard-00002-of-00004.rewards"
      #expect(
        FileManager.default.contents(atPath: "\(out)/\(name)")
          == FileManager.default.contents(atPath: scratch.path("whole/\(name)")))
    }

    @Test func slurmThatIsNotThereIsOneLine() throws {
      let run = try Program.launch(
        ["--slurm"] + Tiny.train(scratch.path("out")), environment: ["PATH": scratch.path("bin")])
      #expect(run.exitCode == 69 && run.errors.contains("no Slurm here: sbatch"), "\(run.errors)")
    }

    /// sbatch gets the script, and its answer is the result.
    @Test func jobsAreSubmitted() throws {
      try scratch.write("#!/bin/bash\ncat \"${@: -1}\" > \"$COPY\"\necho 4711\n", to: "bin/sbatch")
      chmod(scratch.path("bin/sbatch"), 0o755)
      let out = scratch.path("a b's $out")
      let run = try Program.launch(
        ["--slurm", "--nodes", "2", "--threads", "1"] + Tiny.train(out),
        environment: ["PATH": scratch.path("bin") + ":/usr/bin:/bin", "COPY": scratch.path("copy")])
      #expect(run.exitCode == 0 && run.output == "4711\n", "\(run.errors)")
      #expect(try scratch.text("copy").contains("#SBATCH --nodes=2\n") && exists(out + "/run/job.sbatch"))
      let array = try Program.launch(
        ["--slurm", "--shards", "3", "--threads", "1"] + Tiny.rewards(scratch.path("set")),
        environment: ["PATH": scratch.path("bin") + ":/usr/bin:/bin", "COPY": scratch.path("copy")])
      #expect(array.exitCode == 0 && array.output == "4711\n", "\(array.errors)")
      #expect(try scratch.text("copy").contains("#SBATCH --array=0-2\n"))
    }
  }
}
