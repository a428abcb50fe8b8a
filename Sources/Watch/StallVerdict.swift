import RunFolder

/// What a rank's watchdog makes of a standstill.
package enum StallVerdict: Sendable, Equatable {
  case alive
  /// The rank itself stands still.
  case stalled
  /// It waits in vain; for these ranks, where that can be known.
  case waits(missed: [Int])

  /// - Parameters:
  ///   - quiet: seconds without a beat.
  ///   - hasJoined: the ranks know each other.
  ///   - size: ranks of the run, this one among them.
  ///   - observed: what is known of the others; empty where they cannot be seen.
  package static func of(
    quiet: Double, moment: Pulse.Moment, hasJoined: Bool, size: Int, observed: PeerObservations, now: Double,
    limits: StallLimits
  ) -> StallVerdict {
    guard limits.work != nil else { return .alive }
    guard moment.isWaiting, size > 1 || !hasJoined else { return quiet >= limits.limit(moment) ? .stalled : .alive }
    guard hasJoined else { return quiet >= limits.joining ? .waits(missed: []) : .alive }
    let peers = observed.peers
    if quiet >= limits.silence {
      let silent = peers.filter { now - $0.value.heard >= limits.silence }.keys.sorted()
      if !silent.isEmpty { return .waits(missed: silent) }
    }
    // Somebody who cannot be seen may be busy.
    guard peers.count == size - 1 else {
      return quiet >= limits.unseen ? .waits(missed: moment.peer.map { [$0] } ?? []) : .alive
    }
    // Each by what it does: who is at a file is waited for as long as that may take.
    guard quiet >= limits.patience(moment),
      peers.values.allSatisfy({ now - $0.moved >= limits.patience($0.heartbeat.moment) })
    else { return .alive }
    let working = peers.filter { !$0.value.heartbeat.moment.isWaiting }.keys.sorted()
    return .waits(missed: working.isEmpty ? moment.peer.map { [$0] } ?? [] : working)
  }
}
