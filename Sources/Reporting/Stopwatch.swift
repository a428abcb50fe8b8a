import Glibc

/// Seconds since it was started, by a clock that never jumps.
package struct Stopwatch: Sendable {
  private let start: ContinuousClock.Instant

  package init() {
    start = .now
  }

  package var seconds: Double {
    let parts = start.duration(to: .now).components
    return Double(parts.seconds) + Double(parts.attoseconds) * 1e-18
  }
}

/// Memory of this process, as the kernel counts it.
package enum ProcessMemory {
  /// The most that was ever resident (`VmHWM`), in bytes; nil where `/proc` is missing.
  package static var peakBytes: Int? { field("VmHWM:") }

  /// What is resident now (`VmRSS`), in bytes.
  package static var currentBytes: Int? { field("VmRSS:") }

  /// Source: proc(5), `/proc/pid/status`; the unit is always kB, meaning 1024 bytes.
  private static func field(_ name: String) -> Int? {
    guard let file = fopen("/proc/self/status", "r") else { return nil }
    defer { fclose(file) }
    // Asked in every step: lines are looked at where they are read.
    return name.withCString { name in
      withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { line in
        let start = line.baseAddress!
        while fgets(start, Int32(line.count), file) != nil {
          guard strncmp(start, name, strlen(name)) == 0 else { continue }
          let value = start + strlen(name)
          var end: UnsafeMutablePointer<CChar>?
          let kilobytes = strtol(value, &end, 10)
          return end == value ? nil : kilobytes * 1024
        }
        return nil
      }
    }
  }
}
