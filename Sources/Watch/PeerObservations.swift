import RunFolder

/// What a waiting rank sees of the others' heartbeats. Times are its own clock's: others' may go wrong.
package struct PeerObservations: Sendable {
  package struct Peer: Sendable, Equatable {
    /// When its heartbeat last was another than before, and when its work last was further than before.
    package var heard: Double
    package var moved: Double
    package var heartbeat: Heartbeat
  }

  package private(set) var peers: [Int: Peer] = [:]
  private var next = 0
  /// Files that are read in one look: a thousand ranks must not ask a file system for a million of them.
  private static let readAtOnce = 64

  package init() {}

  /// Looks at some of the others, at all of them in turn.
  ///
  /// - Parameters:
  ///   - awaited: is looked at every time.
  ///   - read: a rank's heartbeat.
  package mutating func look(
    own: Int, size: Int, run: String, awaited: Int?, now: Double, read: (Int) -> Heartbeat?
  ) {
    var ranks = (0..<min(size, Self.readAtOnce)).map { (next + $0) % size }
    next = (next + Self.readAtOnce) % size
    if let awaited, !ranks.contains(awaited), awaited < size { ranks.append(awaited) }
    for rank in ranks where rank != own {
      guard let heartbeat = read(rank), heartbeat.run == run else { continue }
      guard var peer = peers[rank] else {
        peers[rank] = Peer(heard: now, moved: now, heartbeat: heartbeat)
        continue
      }
      if heartbeat.sequence != peer.heartbeat.sequence { peer.heard = now }
      if heartbeat.moment.beats != peer.heartbeat.moment.beats { peer.moved = now }
      peer.heartbeat = heartbeat
      peers[rank] = peer
    }
  }

  /// Time that this process did not run in does not count.
  package mutating func shift(by seconds: Double) {
    for rank in peers.keys {
      peers[rank]!.heard += seconds
      peers[rank]!.moved += seconds
    }
  }

  package mutating func forget() { peers = [:] }
}
