/// How the launcher and mpirun call ssh.
package enum SSH {
  /// There is nobody to ask for a password or about a key.
  package static func options(config: String?) -> [String] {
    (config.map { ["-F", $0] } ?? []) + ["-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]
  }

  /// For connections that last: one that is cut ends after 15 s.
  package static let signsOfLife = ["-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3"]
}
