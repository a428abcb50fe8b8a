import LaunchPlan

/// A command on another host by ssh. There a shell reads one line, in which every word is quoted; it can be any that knows
/// single quotes.
package struct RemoteCommand: Sendable, Equatable {
  /// The folder to be in; where it is not, ranks of mpirun start in the home folder, and so does this.
  package let folder: String
  package let environment: [String: String]
  package let sshConfig: String?

  package init(folder: String, environment: [String: String], sshConfig: String?) {
    self.folder = folder
    self.environment = environment
    self.sshConfig = sshConfig
  }

  package func words(_ command: [String], on host: String, ssh: String, options: [String] = []) -> [String] {
    let variables = environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    let line = "cd \(ShellWord.quoted(folder)); exec " + ShellWord.line(["env"] + variables + command)
    return [ssh] + SSH.options(config: sshConfig) + options + [host, line]
  }
}
