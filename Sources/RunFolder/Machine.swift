import Glibc

/// The machine and the process as other processes and users know them.
package enum Machine {
  /// The name of this machine, as `uname -n` prints it.
  package static var hostName: String {
    var bytes = [UInt8](repeating: 0, count: 256)
    let code = bytes.withUnsafeMutableBytes { gethostname($0.baseAddress!, $0.count - 1) }
    guard code == 0 else { return "localhost" }
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }

  package static var processIdentifier: Int { Int(getpid()) }

  /// Whether a process of this machine lives, be it ours or another user's.
  package static func isAlive(_ process: pid_t) -> Bool {
    kill(process, 0) == 0 || errno == EPERM
  }

  /// Seconds since 1970, with fractions.
  package static var now: Double {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  /// Seconds that pass alike for everybody on this machine, whatever is done to its calendar.
  package static var monotonic: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  /// A moment as text, in UTC: `2024-05-01T12:00:00Z` (RFC 3339).
  package static func timestamp(_ seconds: Double = now) -> String {
    var time = time_t(seconds)
    var parts = tm()
    gmtime_r(&time, &parts)
    func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
    return "\(1900 + parts.tm_year)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
      + "T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
  }
}
