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
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
      let words = line.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }.split(
        whereSeparator: \.isWhitespace)
      if words.first == name[...], words.count > 1, let kilobytes = Int(words[1]) { return kilobytes * 1024 }
    }
    return nil
  }
}
