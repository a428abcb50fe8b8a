import RunFolder

/// The hosts of a job, one in a line: a name, then what mpirun wants to know of it. `#` starts a remark.
///
///     node01 slots=16        # Open MPI
///     node02:16              # MPICH
package struct Hostfile: Sendable, Equatable {
  package struct Host: Sendable, Equatable {
    package let name: String
    /// Ranks that the host takes at most; nil: not said.
    package let slots: Int?
    /// The line without its remark.
    package let line: String
    package let lineNumber: Int
    /// Whether slots are told as MPICH tells them.
    fileprivate let isColonForm: Bool
  }

  package let path: String
  package let hosts: [Host]

  package var names: [String] { hosts.map(\.name) }

  /// - Throws: ``TregError``: 66 when the file is missing, 78 with the line for anything that is no host.
  package init(_ path: String) throws {
    try self.init(text: FileSystem.readText(path, maximumCount: 1 << 24), path: path)
  }

  package init(text: String, path: String) throws {
    self.path = path
    var hosts: [Host] = []
    // A line ends with a line feed; what Windows puts before it is a blank.
    let lines = text.split(omittingEmptySubsequences: false) { $0.isNewline }
    for (index, line) in lines.enumerated() {
      let content = line.prefix { $0 != "#" }
      let words = content.split(whereSeparator: \.isWhitespace).map(String.init)
      guard let first = words.first else { continue }
      let place = "\(path):\(index + 1)"
      var (name, slots, isColonForm) = (first, Int?.none, false)
      let parts = first.split(separator: ":", omittingEmptySubsequences: false)
      if parts.count == 2 {
        (name, isColonForm) = (String(parts[0]), true)
        slots = try Self.slots(parts[1], first, place)
      }
      guard Self.isName(name) else {
        throw TregError.configuration(at: place, "expected a host name, found \"\(first)\"")
      }
      for word in words.dropFirst() {
        let pair = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard pair.count == 2, ["slots", "max_slots", "max-slots"].contains(pair[0]) else {
          throw TregError.configuration(at: place, "expected slots=N after the host's name, found \"\(word)\"")
        }
        let count = try Self.slots(pair[1], word, place)
        if pair[0] == "slots" { slots = count }
      }
      if let earlier = hosts.first(where: { $0.name == name }) {
        throw TregError.configuration(at: place, "\(name) stands in line \(earlier.lineNumber) already")
      }
      hosts.append(
        Host(
          name: name, slots: slots, line: words.joined(separator: " "), lineNumber: index + 1,
          isColonForm: isColonForm))
    }
    guard !hosts.isEmpty else {
      throw TregError.configuration(at: path, "expected a host name in each line, found none")
    }
    self.hosts = hosts
  }

  private init(path: String, hosts: [Host]) {
    self.path = path
    self.hosts = hosts
  }

  /// Some of the hosts, in a file of their own, which ``write()`` makes.
  package func keeping(_ names: some Collection<String>, path: String) -> Hostfile {
    Hostfile(path: path, hosts: hosts.filter { names.contains($0.name) })
  }

  package func write() throws {
    try AtomicFile.write(hosts.map { $0.line + "\n" }.joined(), to: path)
  }

  /// - Throws: ``TregError`` 78 where a line is one of the other MPI, or a host has fewer slots than it would get ranks.
  func check(ranksPerNode: Int, flavour: LaunchPlan.Flavour) throws {
    for host in hosts {
      let place = "\(path):\(host.lineNumber)"
      if host.isColonForm, flavour == .openMPI {
        throw TregError.configuration(
          at: place, "Open MPI wants \(host.name) slots=\(host.slots ?? 1), found \(host.line)")
      }
      if !host.isColonForm, host.slots != nil, flavour == .mpich {
        throw TregError.configuration(at: place, "MPICH wants \(host.name):\(host.slots ?? 1), found \(host.line)")
      }
      if let slots = host.slots, slots < ranksPerNode {
        throw TregError.configuration(
          at: place, "\(host.name) has \(slots) slot\(slots == 1 ? "" : "s"), \(ranksPerNode) ranks were asked for")
      }
    }
  }

  private static func slots(_ text: Substring, _ word: String, _ place: String) throws -> Int {
    guard let count = Int(text), count > 0 else {
      throw TregError.configuration(at: place, "expected a number of slots above 0, found \"\(word)\"")
    }
    return count
  }

  /// Names and addresses of hosts, with a user before an `@` if need be. A leading dash would be an option to ssh.
  private static func isName(_ text: String) -> Bool {
    !text.isEmpty && text.first != "-"
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "-_.@".utf8.contains(byte)
        }
      }
  }
}
