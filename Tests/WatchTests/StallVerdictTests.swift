import RunFolder
import Testing
import Watch

@Suite struct StallLimitsTests {
  @Test func theEnvironmentSaysHowLong() throws {
    #expect(try StallLimits(environment: [:]).work == 20)
    #expect(try StallLimits(environment: ["TREG_STALL_SECONDS": "2.5"]).work == 2.5)
    #expect(try StallLimits(environment: ["TREG_STALL_SECONDS": "0"]).work == nil)
    for text in ["soon", "-1", "nan", "inf", "1e99"] {
      #expect(throws: TregError.self) { try StallLimits(environment: ["TREG_STALL_SECONDS": text]) }
      do {
        _ = try StallLimits(environment: ["TREG_STALL_SECONDS": text])
      } catch {
        #expect(error.exitCode == .configuration && error.place == "TREG_STALL_SECONDS")
      }
    }
  }

  @Test func looksAreMoreFrequentThanLimits() {
    for seconds in [0.5, 3, 120, 100_000] {
      let limits = StallLimits(work: seconds)
      #expect(limits.tick < limits.interval && 3 * limits.interval < seconds)
      #expect(limits.interval <= 2)
    }
  }
}

@Suite struct StallVerdictTests {
  private let limits = StallLimits(work: 100)

  private func heartbeat(
    _ rank: Int, sequence: Int, beats: UInt64, waits: Bool = true, atFile: Bool = false, flushes: Bool = false
  ) -> Heartbeat {
    let moment = Pulse.Moment(
      beats: beats, step: 3, phase: "backward", isWaiting: waits, isAtFile: atFile, isFlushing: flushes)
    return Heartbeat(rank: rank, host: "h", run: "r", sequence: sequence, interval: 2, moment: moment, time: 0)
  }

  /// Peers looked at, at time 0 and later.
  private func observed(at times: [Double], _ heartbeats: (Int, Double) -> Heartbeat?, size: Int = 3)
    -> PeerObservations
  {
    var peers = PeerObservations()
    for time in times {
      peers.look(own: 0, size: size, run: "r", awaited: nil, now: time) { heartbeats($0, time) }
    }
    return peers
  }

  private func verdict(
    _ quiet: Double, _ moment: Pulse.Moment, _ peers: PeerObservations = PeerObservations(), size: Int = 3,
    hasJoined: Bool = true
  ) -> StallVerdict {
    StallVerdict.of(
      quiet: quiet, moment: moment, hasJoined: hasJoined, size: size, observed: peers, now: quiet, limits: limits)
  }

  private let working = Pulse.Moment(phase: "backward")
  private let waiting = Pulse.Moment(phase: "communication", isWaiting: true, peer: 2)

  @Test func workThatStandsStillIsStalled() {
    #expect(verdict(99, working) == .alive)
    #expect(verdict(100, working) == .stalled)
    var reading = working
    reading.isAtFile = true
    #expect(verdict(599, reading) == .alive && verdict(600, reading) == .stalled)
    var flushing = reading
    flushing.isFlushing = true
    #expect(verdict(5999, flushing) == .alive && verdict(6000, flushing) == .stalled)
    let never = StallVerdict.of(
      quiet: 1e9, moment: working, hasJoined: true, size: 3, observed: PeerObservations(), now: 0,
      limits: StallLimits(work: nil))
    #expect(never == .alive)
  }

  @Test func startingHasALimitOfItsOwn() {
    #expect(verdict(2999, waiting, hasJoined: false) == .alive)
    #expect(verdict(3000, waiting, hasJoined: false) == .waits(missed: []))
  }

  /// Rank 2 is stopped: its heartbeat stays what it was. Rank 1 waits, too, and writes its own.
  @Test func aSilentRankIsMissedSoon() {
    let peers = observed(at: [0, 10, 21]) { rank, time in
      heartbeat(rank, sequence: rank == 2 ? 7 : Int(time), beats: 4)
    }
    #expect(verdict(19, waiting, peers) == .alive)
    #expect(verdict(21, waiting, peers) == .waits(missed: [2]))
  }

  /// Rank 2 writes a checkpoint for a long time: nobody is ended.
  @Test func aBusyRankIsWaitedFor() {
    let peers = observed(at: [0, 100, 300]) { rank, time in
      heartbeat(rank, sequence: Int(time), beats: rank == 2 ? UInt64(time) : 4, waits: rank != 2)
    }
    #expect(verdict(300, waiting, peers) == .alive)
  }

  /// Rank 2 lives and does nothing: it ends itself first, then those who wait for it.
  @Test func aRankThatHangsIsNamed() {
    let peers = observed(at: [0, 60, 112]) { rank, time in
      heartbeat(rank, sequence: Int(time), beats: 4, waits: rank != 2)
    }
    #expect(verdict(101, waiting, peers) == .alive)
    #expect(verdict(112, waiting, peers) == .waits(missed: [2]))
  }

  /// Rank 2 waits for a file server: the others wait as long as it may, and then it is the one that is named.
  @Test(arguments: [(false, 631.0), (true, 6301.0)])
  func aRankAtAFileIsWaitedForLonger(flushes: Bool, limit: Double) {
    let peers = observed(at: [0, limit - 1, limit]) { rank, time in
      heartbeat(rank, sequence: Int(time), beats: 4, waits: rank != 2, atFile: rank == 2, flushes: flushes && rank == 2)
    }
    #expect(verdict(limit - 1, waiting, peers) == .alive)
    #expect(verdict(limit, waiting, peers) == .waits(missed: [2]))
  }

  /// What has come to an end is no excuse: rank 2 was at a file, and hangs now.
  @Test func aFileOfEarlierDoesNotCount() {
    let peers = observed(at: [0, 60, 170]) { rank, time in
      heartbeat(rank, sequence: Int(time), beats: rank == 2 && time > 0 ? 5 : 4, waits: rank != 2, atFile: time == 0)
    }
    #expect(verdict(165, waiting, peers) == .alive)
    #expect(verdict(170, waiting, peers) == .waits(missed: [2]))
  }

  /// Everything that ends without a file does so within half a minute, to the last of the ranks that wait.
  @Test func theStandardEndsAHangWithinHalfAMinute() {
    let limits = StallLimits()
    func verdict(_ quiet: Double, _ moment: Pulse.Moment, _ peers: PeerObservations) -> StallVerdict {
      StallVerdict.of(
        quiet: quiet, moment: moment, hasJoined: true, size: 3, observed: peers, now: quiet, limits: limits)
    }
    #expect(verdict(20, working, PeerObservations()) == .stalled)
    // Others are looked at from the first missed heartbeat on, and seen to have advanced until another one later.
    let all = observed(at: [2.5, 4.5, 26.5]) { rank, time in
      heartbeat(rank, sequence: Int(time), beats: time < 4 ? 3 : 4, waits: rank != 2)
    }
    #expect(verdict(26.5, waiting, all) == .waits(missed: [2]))
  }

  /// A link is cut: all wait, and all can be seen.
  @Test func allThatWaitEnd() {
    let peers = observed(at: [0, 112]) { rank, time in heartbeat(rank, sequence: Int(time), beats: 4) }
    #expect(verdict(112, waiting, peers) == .waits(missed: [2]), "for whom it waits")
  }

  /// Ranks with folders of their own do not see each other, nor those of another start.
  @Test func unseenRanksHaveMoreTime() {
    let peers = observed(at: [0, 200]) { rank, time in
      var other = heartbeat(rank, sequence: 1, beats: 4)
      other.run = "before"
      return rank == 1 ? other : nil
    }
    #expect(peers.peers.isEmpty)
    #expect(verdict(17_999, waiting, peers) == .alive)
    #expect(verdict(18_000, waiting, peers) == .waits(missed: [2]))
  }

  @Test func timeThatDidNotPassIsTakenOut() {
    var peers = observed(at: [0, 5]) { rank, _ in heartbeat(rank, sequence: 1, beats: 4) }
    #expect(verdict(30, waiting, peers) == .waits(missed: [1, 2]))
    peers.shift(by: 1000)
    #expect(verdict(1010, waiting, peers) == .alive)
    #expect(peers.peers[1]?.heard == 1000 && peers.peers[2]?.moved == 1000)
  }

  /// A thousand ranks are looked at in turn, and the awaited one always.
  @Test func manyRanksAreReadAFewAtATime() {
    var peers = PeerObservations()
    var reads = 0
    for time in 0..<16 {
      var now = 0
      peers.look(own: 0, size: 1000, run: "r", awaited: 999, now: Double(time)) { rank in
        now += 1
        return heartbeat(rank, sequence: 1, beats: 1)
      }
      #expect(now <= 65)
      reads += now
    }
    #expect(peers.peers.count == 999 && reads < 1100)
  }
}
