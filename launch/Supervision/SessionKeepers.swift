import CProcess
import Glibc
import LaunchPlan
import RunFolder
import Synchronization

/// Makes a start's ``SessionFolders`` on its hosts and has them removed: by a process on each host that outlives the launcher,
/// the ranks and mpirun's daemons, whichever way they end.
package struct SessionKeepers: Sendable {
  /// Seconds that hosts have to make the folders, and to remove them when ranks have ended. One that is lost does it later.
  private static let patience = 15.0

  private let keepers: [Keeper]

  /// Runs a plan's command with folders of its own.
  ///
  /// Where they cannot be had the plan runs without: what Open MPI keeps is then where it puts it.
  ///
  /// - Parameters:
  ///   - environment: the launcher's.
  ///   - note: receives what became of the folders, in words.
  package static func during<Result>(
    _ plan: LaunchPlan, environment: [String: String], sshConfig: String?, note: (String) -> Void = { _ in },
    _ body: (LaunchPlan) async throws -> Result
  ) async rethrows -> Result {
    guard let hosts = plan.openMPIHosts else { return try await body(plan) }
    let others = hosts.filter { !HostCheck.isHere($0) }
    guard let folders = SessionFolders(environment: environment, isHere: others.isEmpty),
      let ssh = others.isEmpty ? "" : Programs.ssh()
    else { return try await body(plan) }
    let remote = RemoteCommand(folder: "/", environment: [:], sshConfig: sshConfig)
    // mpirun has files of its own here, whether ranks are here or not.
    let keepers = SessionKeepers(
      keepers: [Keeper(["/bin/sh"] + folders.keeper.dropFirst(), host: Machine.hostName)]
        + others.map {
          Keeper(remote.words(folders.keeper, on: $0, ssh: ssh, options: SSH.signsOfLife), host: $0)
        })
    do {
      let result: Result
      if let refusal = await keepers.begin() {
        note("Open MPI's own files are where it puts them: \(refusal)")
        await keepers.end()
        result = try await body(plan)
      } else {
        note("Open MPI's own files: \(folders.files) and \(folders.memory) on each host")
        result = try await body(plan.keeping(files: folders))
        let late = await keepers.end()
        if !late.isEmpty { note("\(late.joined(separator: ", ")) will remove them later") }
      }
      return result
    } catch {
      await keepers.end()
      throw error
    }
  }

  /// - Returns: why a host has no folders; nil: all have.
  private func begin() async -> String? {
    await Self.wait(Self.patience) { keepers.allSatisfy { $0.state != .starting } }
    return keepers.first { $0.state != .ready }.map { "\($0.host): \($0.remark)" }
  }

  /// Lets go of the folders and waits until they are removed.
  ///
  /// - Returns: hosts that have not done it yet.
  @discardableResult private func end() async -> [String] {
    for keeper in keepers { keeper.release() }
    await Self.wait(Self.patience) { keepers.allSatisfy { $0.state == .ended } }
    for keeper in keepers { keeper.forget() }
    return keepers.filter { $0.state != .ended }.map(\.host)
  }

  private static func wait(_ seconds: Double, _ condition: () -> Bool) async {
    let end = Machine.now + seconds
    while !condition(), Machine.now < end { try? await Task.sleep(for: .milliseconds(20)) }
  }
}

/// The process that keeps one host's folders: a shell here, or ssh and a shell there.
private final class Keeper: Sendable {
  enum State { case starting, ready, ended }

  private struct Content {
    var state = State.starting
    var process: pid_t?
    var line = ""
    var isReleased = false
  }

  let host: String
  private let content = Mutex(Content())
  /// The end of the pipe whose other end is the process's input.
  private let writer: Int32

  init(_ command: [String], host: String) {
    self.host = host
    var ends: [Int32] = [-1, -1]
    guard treg_pipe(&ends) == 0 else {
      writer = -1
      content.withLock { ($0.state, $0.line) = (.ended, "no pipe can be made") }
      return
    }
    writer = ends[1]
    let reader = ends[0]
    Task { [self] in
      do {
        let output = try LinePipe { line in
          if line == SessionFolders.ready { self.content.withLock { $0.state = .ready } }
        }
        let errors = try LinePipe { line in self.content.withLock { $0.line = line } }
        // Without a guard: it ends with its input, not with the launcher.
        let code = try await Launcher.run(
          command, environment: [:], guardian: nil, input: reader, output: .lines(output: output, errors: errors),
          started: { process in self.content.withLock { $0.process = process } })
        errors.finish(within: 1)
        content.withLock { if $0.line.isEmpty { $0.line = "ended with \(code)" } }
      } catch {
        content.withLock { $0.line = "\(error)" }
      }
      close(reader)
      content.withLock { ($0.state, $0.process) = (.ended, nil) }
    }
  }

  var state: State { content.withLock { $0.state } }
  var remark: String { content.withLock { $0.line.isEmpty ? "no answer" : $0.line } }

  /// Ends its input.
  func release() {
    content.withLock { content in
      if !content.isReleased, writer >= 0 { close(writer) }
      content.isReleased = true
    }
  }

  /// Does not wait for a host any longer: ends ssh; the shell goes on there.
  func forget() {
    guard host != Machine.hostName else { return }
    content.withLock { if let process = $0.process { kill(process, SIGKILL) } }
  }
}
