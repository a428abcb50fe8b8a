import Configuration
import Foundation
import LaunchPlan
import Reporting
import RunFolder
import Supervision

/// `rewards --shards n`: independent jobs here, on hosts, or as an array of Slurm's.
struct RewardShards {
  private let options: LaunchOptions
  private let shards: Int
  private let parallel: Int?
  private let environment = ProcessInfo.processInfo.environment
  private let topology: Topology

  init(_ options: LaunchOptions, shards: Int, parallel: Int?) throws {
    guard shards > 0 else { throw TregError.usage("--shards: expected a whole number above 0, found \(shards)") }
    guard (parallel ?? 1) > 0 else {
      throw TregError.usage("--parallel: expected a whole number above 0, found \(parallel!)")
    }
    self.options = options
    self.shards = shards
    self.parallel = parallel
    topology = try Topology()
  }

  func run() async throws -> Int32 {
    let words = options.arguments
    guard !words.contains(where: { $0 == "--shard" || $0.hasPrefix("--shard=") }) else {
      throw TregError.usage("--shard is one job's; --shards makes all of them")
    }
    let configured = WorkerWords(words.dropFirst())
    let configuration = try RunConfiguration.parse(
      file: configured.file, flags: configured.flags, requiring: ["model", "data", "out"]
    ).configuration
    let cores = topology.usableCores
    var threads = options.threads
    if threads == nil, case .count(let count) = configuration.threads { threads = count }
    // As many jobs as cores, each on one of them, unless fewer run at a time.
    let threadCount = threads ?? max(1, cores / (options.hostfile == nil ? min(shards, parallel ?? cores) : 1))
    let worker = try Programs.worker()
    let folder = RunPreparation.currentFolder()
    if options.batch.isAsked {
      return try await submit(worker: worker, words: words, out: configuration.out, threads: threadCount)
    }
    let hosts = try options.hosts()
    let slots: [ShardQueue.Slot]
    if let hosts {
      if let config = options.sshConfig, FileSystem.kind(of: config) == nil {
        throw TregError.missing(at: config, "no such file")
      }
      slots = try await self.slots(
        on: hosts.names, worker: worker, words: configured.configuration, folder, threadCount)
    } else {
      let count = parallel ?? max(1, cores / threadCount)
      slots = (0..<min(count, shards)).map { .init(host: nil, number: $0) }
    }
    let jobs = jobs(worker: worker, words: words, out: configuration.out, threads: threadCount, slots: slots, folder)
    if options.isDryRun {
      for (index, shard) in (0..<shards).enumerated() {
        Console.print(ShellWord.line(jobs.command(shard, in: slots[index % slots.count])))
      }
      return 0
    }
    Console.note("shards    \(shards), \(slots.count) at a time × \(threadCount) thread\(threadCount == 1 ? "" : "s")")
    let signals = ForwardedSignals()
    return try await jobs.run(signals: signals)
  }

  private func jobs(
    worker: String, words: [String], out: String, threads: Int, slots: [ShardQueue.Slot], _ folder: String
  ) -> ShardJobs {
    let names = ForwardedVariables.names(in: environment)
    let forwarded = environment.filter { names.contains($0.key) }.merging(["TREG_ENDS_WITH_INPUT": "1"]) { _, new in new
    }
    return ShardJobs(
      worker: worker, words: words, out: out, shards: shards, threads: threads, slots: slots,
      limit: options.maxRestarts, guardian: Programs.launcher(),
      remote: RemoteCommand(folder: folder, environment: forwarded, sshConfig: options.sshConfig), ssh: Programs.ssh())
  }

  /// As many slots on each host as jobs fit its cores; hosts that stand against it are refused before anything starts.
  private func slots(
    on hosts: [String], worker: String, words: [String], _ folder: String, _ threads: Int
  ) async throws -> [ShardQueue.Slot] {
    if options.isDryRun || !options.checksHosts {
      return (0..<max(hosts.count, parallel ?? 0)).map { .init(host: Self.place(hosts[$0 % hosts.count]), number: $0) }
    }
    let names = ForwardedVariables.names(in: environment)
    let check = HostCheck(
      worker: worker, words: words, environment: environment.filter { names.contains($0.key) }, folder: folder,
      sshConfig: options.sshConfig)
    let findings = try await check.ask(hosts)
    var needs = HostVerdict.Needs()
    needs.cores = options.mayOversubscribe ? nil : threads
    // These jobs use no MPI.
    let verdict = HostVerdict(findings, needs: needs, comparesMPI: false)
    try verdict.tellAndRefuse()
    var slots: [ShardQueue.Slot] = []
    for finding in findings {
      guard case .success(let facts) = finding.answer else { continue }
      for _ in 0..<max(1, facts.cores / threads) {
        slots.append(.init(host: Self.place(finding.host), number: slots.count))
      }
    }
    return Array(slots.prefix(parallel ?? slots.count))
  }

  /// nil for this machine.
  private static func place(_ host: String) -> String? { HostCheck.isHere(host) ? nil : host }

  private func submit(worker: String, words: [String], out: String, threads: Int) async throws -> Int32 {
    let jobs = jobs(worker: worker, words: words, out: out, threads: threads, slots: [], "/")
    let missing = options.isDryRun ? Array(0..<shards) : try await jobs.survey(replacing: words.contains("--overwrite"))
    if missing.isEmpty {
      Console.note("all \(shards) shards are finished; manifest.json closes the set")
      Console.print(out)
      return 0
    }
    let script = try ArrayScript(
      command: [worker] + words.filter { $0 != "--overwrite" } + ["--threads", String(threads)], missing: missing,
      of: shards, parallel: parallel, threads: threads, tries: options.maxRestarts + 1, logs: jobs.logs,
      batch: options.batch)
    let code = try await Submission(
      script: script.text, path: FileSystem.join(jobs.logs, "job.sbatch"), logs: jobs.logs,
      waits: options.batch.waits, isDryRun: options.isDryRun
    ).run()
    guard options.batch.waits, !options.isDryRun, code == 0 else { return code }
    let left = try await jobs.survey()
    guard left.isEmpty else {
      throw TregError(.unavailable, at: out, "shards \(ArrayScript.indices(left)) of \(shards) are not there")
    }
    Console.note("\(shards) shards; manifest.json closes the set")
    return 0
  }
}
