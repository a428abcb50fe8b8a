/// The processors and the memory that this process may use on this machine.
///
/// Sources: proc(5) for the affinity mask and memory, the kernel's `Documentation/admin-guide/cputopology.rst` and
/// `cgroup-v2.rst`.
package struct Topology: Sendable, Equatable {
  /// Cores that the affinity mask allows, one entry per core: the logical processors that share it.
  package let cores: [[Int]]
  /// How many processors' time the control group grants; nil without a limit.
  package let quota: Double?
  /// NUMA nodes that have an allowed core.
  package let nodeCount: Int
  /// Bytes that can be taken without swapping; nil where nobody says.
  package let availableBytes: Int?

  /// Threads that can run at the same time: a core counts once, whatever its hardware threads, and a quota counts
  /// rounded down.
  package var usableCores: Int {
    guard let quota else { return max(1, cores.count) }
    return max(1, min(cores.count, Int(quota)))
  }

  /// - Parameter root: where the file system starts; tests bring their own.
  /// - Throws: ``TregError`` 69 when the kernel does not tell which processors are allowed.
  package init(root: String = "/") throws {
    func text(_ path: String) -> String? {
      (try? FileSystem.readText(FileSystem.join(root, path), maximumCount: 1 << 20)).map { text in
        String(text.drop(while: \.isWhitespace))
      }
    }
    guard let status = text("proc/self/status"),
      let mask = status.split(separator: "\n").first(where: { $0.hasPrefix("Cpus_allowed_list:") }),
      let allowed = Self.list(mask.dropFirst("Cpus_allowed_list:".count)), !allowed.isEmpty
    else { throw TregError(.unavailable, at: "/proc/self/status", "does not tell which processors are allowed") }

    let allowedSet = Set(allowed)
    var seen: Set<Int> = []
    var cores: [[Int]] = []
    for processor in allowed where !seen.contains(processor) {
      let path = "sys/devices/system/cpu/cpu\(processor)/topology/thread_siblings_list"
      let siblings = (text(path).flatMap { Self.list($0[...]) } ?? [processor]).filter(allowedSet.contains)
      seen.formUnion(siblings)
      cores.append(siblings.isEmpty ? [processor] : siblings)
    }
    self.cores = cores

    let nodes = (try? FileSystem.contents(ofFolder: FileSystem.join(root, "sys/devices/system/node"))) ?? []
    let populated = nodes.filter { name in
      guard name.hasPrefix("node"), Int(name.dropFirst(4)) != nil,
        let processors = text("sys/devices/system/node/\(name)/cpulist").flatMap({ Self.list($0[...]) })
      else { return false }
      return !allowedSet.isDisjoint(with: processors)
    }
    nodeCount = max(1, populated.count)
    quota = Self.quota(text)
    availableBytes = Self.available(text)
  }

  /// `0-3,8` → 0, 1, 2, 3, 8; nil for anything else.
  static func list(_ text: Substring) -> [Int]? {
    var numbers: [Int] = []
    for part in text.split(whereSeparator: \.isWhitespace).joined().split(separator: ",") {
      let ends = part.split(separator: "-").map { Int($0) }
      guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, first <= last, first >= 0,
        last < 1 << 16
      else { return nil }
      numbers += first...last
    }
    return numbers
  }

  private static func quota(_ text: (String) -> String?) -> Double? {
    if let words = text("sys/fs/cgroup/cpu.max")?.split(whereSeparator: \.isWhitespace), words.count == 2,
      let share = Double(words[0]), let period = Double(words[1]), period > 0
    {
      return share / period
    }
    func number(_ name: String) -> Double? {
      text("sys/fs/cgroup/cpu/" + name)?.split(whereSeparator: \.isWhitespace).first.flatMap { Double($0) }
    }
    guard let share = number("cpu.cfs_quota_us"), let period = number("cpu.cfs_period_us"), share > 0, period > 0
    else { return nil }
    return share / period
  }

  private static func available(_ text: (String) -> String?) -> Int? {
    func number(_ path: String) -> Int? {
      text(path)?.split(whereSeparator: \.isWhitespace).first.flatMap { Int($0) }
    }
    let line = text("proc/meminfo")?.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
    let free = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
    var limits = [free].compactMap { $0 }
    for (limit, used) in [
      ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.current"),
      ("sys/fs/cgroup/memory/memory.limit_in_bytes", "sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ] {
      if let limit = number(limit) { limits.append(max(0, limit - (number(used) ?? 0))) }
    }
    return limits.min()
  }
}
