import RunFolder

/// Why a host gave no description of itself, in the words that help: ssh's own are many.
package enum HostFailure: Sendable, Equatable {
  case unknownHost
  case hostKey
  case permission
  case unreachable(String)
  case programMissing
  case otherProgram(String)

  /// - Parameters:
  ///   - code: of ssh, which passes on that of the program and has 255 for its own failures.
  ///   - errors: what ssh and the program printed.
  ///   - seconds: the time it was given, when that ran out.
  package init(code: Int32, errors: String, timedOutAfter seconds: Double? = nil) {
    func says(_ texts: String...) -> Bool { texts.contains { errors.containsInAnyCase($0) } }
    if says("could not resolve hostname", "name or service not known") {
      self = .unknownHost
    } else if says("host key verification failed", "remote host identification has changed") {
      self = .hostKey
    } else if says("permission denied (", "too many authentication failures", "permission denied, please") {
      self = .permission
    } else if let seconds {
      self = .unreachable("no answer in \(Int(seconds)) s")
    } else if code == 255 {
      self = .unreachable(Self.lastLine(of: errors))
    } else if code == 127 || code == 126 {
      self = .programMissing
    } else {
      self = .otherProgram(Self.lastLine(of: errors))
    }
  }

  /// A line for people.
  ///
  /// - Parameter program: the worker's path.
  package func line(program: String) -> String {
    switch self {
    case .unknownHost: "unknown host: its name has no address here"
    case .hostKey: "ssh does not know its host key, or knows another one; log in once by hand, or correct known_hosts"
    case .permission:
      "ssh is refused (permission denied); is the key in its authorized_keys, and the right one offered here?"
    case .unreachable(let reason): "cannot be reached: \(reason.isEmpty ? "ssh failed" : reason)"
    case .programMissing: "there is no program \(program)"
    case .otherProgram(let reason):
      "\(program) does not describe the host\(reason.isEmpty ? "" : ": " + reason); is it the same build as here?"
    }
  }

  private static func lastLine(of text: String) -> String {
    text.split(whereSeparator: \.isNewline).last { $0.contains(where: \.isLetter) }.map(String.init) ?? ""
  }
}

extension String {
  fileprivate func containsInAnyCase(_ text: String) -> Bool { lowercased().contains(text) }
}
