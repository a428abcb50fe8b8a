import LaunchPlan
import Reporting
import RunFolder

/// Starts a training run, watches it, and starts it again from its newest checkpoint when a failure is of a kind that another
/// start may outlive.
package struct Supervisor {
  /// One start: the plan and the hosts it runs on.
  package struct Start: Sendable {
    package let plan: LaunchPlan
    package let hosts: [String]

    package init(plan: LaunchPlan, hosts: [String]) {
      self.plan = plan
      self.hosts = hosts
    }
  }

  /// How a start ended.
  private struct Failure {
    var code: Int32
    var cause: FailureCause?
    var isStall = false
    /// Ranks wrote a checkpoint and left, as they were asked to.
    var hasStopped = false
    /// A start that did not come about: too few hosts answer.
    var error: TregError?

    var text: String { error.map { Console.line(of: $0) } ?? cause?.text ?? "ended with \(code)" }
  }

  /// Seconds that the starting program has to end after a rank has reported a failure, before it is ended.
  private static let settling = 8.0
  /// Seconds by which clocks of hosts may differ.
  private static let clockTolerance = 2.0
  /// Seconds that ranks on other hosts have to give the folder's lock back; their watchdogs need no more.
  private static let lockPatience = 45.0

  private let layout: RunLayout
  private let maxRestarts: Int
  private let guardian: String?
  private let signals: ForwardedSignals
  private let environment: [String: String]
  private let sshConfig: String?
  private let prepare: (_ attempt: Int) async throws -> Start
  private let log: LaunchLog

  /// - Parameters:
  ///   - guardian: the path of treg-launch, for ``Guard``.
  ///   - environment: the launcher's.
  ///   - prepare: checks hosts and makes the plan of a start, the first (0) and further ones, which resume.
  package init(
    _ layout: RunLayout, maxRestarts: Int, guardian: String?, signals: ForwardedSignals, environment: [String: String],
    sshConfig: String?,
    prepare: @escaping (_ attempt: Int) async throws -> Start
  ) {
    self.layout = layout
    self.maxRestarts = maxRestarts
    self.guardian = guardian
    self.signals = signals
    self.environment = environment
    self.sshConfig = sshConfig
    self.prepare = prepare
    log = LaunchLog(layout)
  }

  /// - Parameter first: the plan of the first start.
  /// - Returns: the code to end with.
  /// - Throws: what making the first plan's process throws.
  package func run(_ first: Start) async throws -> Int32 {
    var policy = RestartPolicy(limit: maxRestarts, progress: progress)
    var record = LaunchRecord(plan: first.plan, hosts: first.hosts, maxRestarts: maxRestarts)
    var next: Start? = first
    func write() { record.write(to: layout.launch) }
    func end(_ code: Int32) -> Int32 {
      (record.state, record.exitCode) = (.ended, code)
      write()
      log.note("ends with \(code)")
      return code
    }
    while true {
      if signals.isAsked { return end(stopCode) }
      var failure: Failure
      do {
        let start: Start
        if let next { start = next } else { start = try await prepare(record.attempt) }
        next = nil
        (record.state, record.ranks, record.hosts) = (.running, start.plan.ranks, start.hosts)
        record.command = start.plan.command
        write()
        let number = record.attempt
        failure = try await SessionKeepers.during(
          start.plan, environment: environment, sshConfig: sshConfig, note: log.note
        ) { try await attempt($0, number: number) }
      } catch let error as TregError {
        guard record.attempt > 0 else {
          _ = end(error.exitCode.rawValue)
          throw error
        }
        failure = Failure(code: error.exitCode.rawValue, error: error)
      }
      let code = failure.code
      let kind = FailureKind(code: code, isStall: failure.isStall)
      record.endings.append(
        .init(attempt: record.attempt, time: Machine.now, code: code, cause: code == 0 ? nil : failure.text))
      // MPICH's mpirun ends with 0 when a signal has ended it, whatever its ranks did.
      if signals.isAsked, failure.hasStopped || code == 75 || code == 128 + 10 { return end(stopCode) }
      // Who is ended in the midst of a step has no other cause to tell.
      if signals.wasEnded, code != 0 { return end(stopCode) }
      if kind == .none { return end(code) }
      log.note("start \(record.attempt) ended with \(code): \(failure.text)")
      let wait = kind == .passing && !signals.isAsked ? policy.next(progress) : nil
      guard let wait else {
        if let text = failure.error.map({ Console.line(of: $0) }) ?? failure.cause?.text { say(text) }
        return end(FailureKind.exitCode(code, isStall: failure.isStall))
      }
      say("\(failure.text)")
      say("restart \(policy.restarts) of \(policy.limit) in \(Int(wait)) s, from \(progress.text)")
      record.state = .waiting
      write()
      if let code = await pause(wait) { return end(code) }
      record.attempt += 1
    }
  }

  /// The code of a run that was asked to stop.
  private var stopCode: Int32 {
    (signals.wasInterrupted ? ExitCode.interrupted : ExitCode.preempted).rawValue
  }

  private var progress: RunProgress { RunProgress(of: layout) }

  private func say(_ line: String) {
    log.note(line)
    Console.note("treg-launch: \(line)")
  }

  /// Waits before a restart: at least so long, and until nobody holds the folder any more.
  ///
  /// - Returns: a code to end with, when somebody asks to stop meanwhile.
  private func pause(_ seconds: Double) async -> Int32? {
    let start = Machine.now
    while true {
      if signals.isAsked { return stopCode }
      if FileSystem.kind(of: layout.stop) != nil {
        say("run/stop is there: no restart")
        return ExitCode.done.rawValue
      }
      let waited = Machine.now - start
      if waited >= seconds, !FolderLock.isHeld(layout.lock) || waited >= max(seconds, Self.lockPatience) { return nil }
      try? await Task.sleep(for: .milliseconds(100))
    }
  }

  // MARK: One start

  private func attempt(_ plan: LaunchPlan, number: Int) async throws -> Failure {
    // An earlier start's reports stay until the ranks take the folder, which they do when they have read their data, if ever.
    let known = Set(Self.reports(layout).map(\.key))
    let began = Machine.now
    let stopped = try? RunStatus(readingFrom: layout.status)
    let identifier = Leftovers.newIdentifier()
    log.note("start \(number): \(plan.commandLine)")
    log.begin("start \(number)")
    let output = RankOutput(label: plan.label, log: log)
    let (out, errors) = try output.pipes()
    let (layout, log, signals) = (layout, log, signals)
    let watcher = Task { await Self.watch(layout, known: known, log: log, signals: signals) }
    let code: Int32
    do {
      code = try await Launcher.run(
        plan, guardian: guardian, signals: signals, output: .lines(output: out, errors: errors),
        marks: [Leftovers.name: identifier])
    } catch {
      watcher.cancel()
      throw error
    }
    watcher.cancel()
    // Nobody writes any more but ranks that outlived the program, which are ended before the rest is read.
    let left = await Leftovers.end(identifier)
    if left > 0 { log.note("killed \(left) processes that were left") }
    for pipe in [out, errors] { pipe.finish(within: 2) }

    let reports = Self.reports(layout).filter { !known.contains($0.key) }
    // Clocks of hosts differ a little; an earlier start's heartbeats are older than its restart's checks.
    let heartbeats = Heartbeat.all(in: layout).filter { $0.time >= began - Self.clockTolerance }
    let status = try? RunStatus(readingFrom: layout.status)
    let hasStopped = status?.state == .stopped && status != stopped
    let cause = FailureCause(
      in: reports, heartbeats: heartbeats, messages: output.messages, code: code,
      program: FileSystem.name(of: plan.command[0]),
      layout: layout)
    return Failure(
      code: code, cause: cause, isStall: !hasStopped && reports.contains(where: \.isStall), hasStopped: hasStopped)
  }

  /// What ranks have left of failures, of this start and earlier ones.
  private static func reports(_ layout: RunLayout) -> [ErrorReport] { (try? ErrorReport.all(in: layout)) ?? [] }

  /// A rank that has failed ends the others through the program that started them. Where that hangs, as behind a link that
  /// is cut, it is ended.
  private static func watch(
    _ layout: RunLayout, known: Set<ErrorReport.Key>, log: LaunchLog, signals: ForwardedSignals
  ) async {
    while !Task.isCancelled {
      try? await Task.sleep(for: .milliseconds(500))
      guard reports(layout).contains(where: { !known.contains($0.key) }) else { continue }
      try? await Task.sleep(for: .seconds(settling))
      guard !Task.isCancelled else { return }
      log.note("a rank has failed and the others have not ended in \(Int(settling)) s: ending them")
      signals.end()
      return
    }
  }
}
