import RunFolder

/// How long a rank may show no progress, and what follows from that. All in seconds.
///
/// It depends on what the rank does. Computing and collectives give a sign every few milliseconds, a large model's every second
/// at most; a file server that fails over answers after a minute or two; flushing to a slow disk takes many minutes.
package struct StallLimits: Sendable, Equatable {
  /// Computing, or a collective, without a beat; nil: ranks are not ended for standing still.
  package let work: Double?

  package static let standard = 20.0

  /// - Precondition: `work` is above 0.
  package init(work: Double? = standard) {
    precondition(work.map { $0 > 0 } ?? true, "a limit of \(work ?? 0) s")
    self.work = work
  }

  /// As `TREG_STALL_SECONDS` says, which is ``work``, and what all other limits follow from; 0: never.
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
  /// A call that a file system has to answer.
  package var file: Double { 6 * (work ?? .infinity) }
  /// A call that flushes to a disk.
  package var flush: Double { 10 * file }
  /// What a rank that does this may stand still for.
  func limit(_ moment: Pulse.Moment) -> Double {
    moment.isFlushing ? flush : moment.isAtFile ? file : work ?? .infinity
  }
  /// When others who wait for a rank that does this lose their patience: a little later, so that one that stands still is the
  /// first to say so.
  func patience(_ moment: Pulse.Moment) -> Double { limit(moment) * 1.05 + 1 }
  /// A rank without a heartbeat for so long does not run, be it stopped or its host lost: its watchdog would have written one.
  var silence: Double { min(work ?? .infinity, 20) }
  /// Waiting for all ranks to start, which reads programs and libraries on every host.
  var joining: Double { 5 * file }
  /// Waiting for ranks that cannot be seen from here: they may be busy with what this one had less of.
  var unseen: Double { 30 * file }
}
