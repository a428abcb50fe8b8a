import RunFolder

/// How long a rank may show no progress, and what follows from that. All in seconds.
package struct StallLimits: Sendable, Equatable {
  /// Work without a beat; nil: ranks are not ended for that.
  package let work: Double?

  package static let standard = 120.0

  /// - Precondition: `work` is above 0.
  package init(work: Double? = standard) {
    precondition(work.map { $0 > 0 } ?? true, "a limit of \(work ?? 0) s")
    self.work = work
  }

  /// As `TREG_STALL_SECONDS` says; 0: never.
  package init(environment: [String: String]) throws(TregError) {
    guard let text = environment["TREG_STALL_SECONDS"], !text.isEmpty else {
      self.init()
      return
    }
    guard let seconds = Double(text), seconds.isFinite, 0...1e7 ~= seconds else {
      throw .configuration(at: "TREG_STALL_SECONDS", "expected seconds, or 0 for no limit, found \"\(text)\"")
    }
    self.init(work: seconds == 0 ? nil : seconds)
  }

  /// From one heartbeat to the next.
  package var interval: Double { min(2, (work ?? .infinity) / 6) }
  /// From one look of the watchdog to the next.
  package var tick: Double { min(0.5, max((work ?? .infinity) / 12, 0.02)) }
}

extension StallLimits {
  /// A rank without a heartbeat for so long does not run, be it stopped or its host lost: its watchdog would have written one.
  var silence: Double { min(work ?? .infinity, 20) }
  /// Waiting for ranks of which none makes progress: a little longer than work, so that one that stands still is the first
  /// to say so.
  var waiting: Double { (work ?? .infinity) * 1.1 + 1 }
  /// Waiting for all ranks to start.
  var joining: Double { 5 * (work ?? .infinity) }
  /// Waiting for ranks that cannot be seen from here: they may be busy with what this one had less of.
  var unseen: Double { 30 * (work ?? .infinity) }
  /// What flushing to a slow disk may multiply a limit by.
  static let patience = 10.0
}
