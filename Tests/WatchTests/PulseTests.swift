import Foundation
import RunFolder
import Testing

/// Signs of life are the whole process's: every test has one of its own.
@Suite struct PulseTests {
  /// Runs `body` on a thread of the background, and waits for it, but not as the work would.
  private static func inBackground(_ body: @escaping @Sendable () -> Void) {
    let done = DispatchSemaphore(value: 0)
    Thread.detachNewThread {
      Pulse.enterBackground()
      body()
      done.signal()
    }
    done.wait()
  }

  @Test func theBackgroundHidesNoStandstill() async {
    await #expect(processExitsWith: .success) {
      let before = Pulse.moment
      PulseTests.inBackground {
        Pulse.beat()
        Pulse.atFile { precondition(!Pulse.moment.isAtFile, "the work is at no file") }
        Pulse.flushing { precondition(!Pulse.moment.isFlushing) }
      }
      precondition(Pulse.moment == before)
    }
  }

  @Test func theBackgroundCountsWhileItIsAwaited() async {
    await #expect(processExitsWith: .success) {
      let before = Pulse.beats
      Pulse.awaitingBackground {
        PulseTests.inBackground {
          Pulse.atFile { precondition(Pulse.moment.isAtFile && !Pulse.moment.isFlushing) }
          Pulse.flushing { precondition(Pulse.moment.isFlushing) }
        }
        precondition(Pulse.beats == before + 2)
      }
      precondition(Pulse.beats == before + 1, "the end of waiting is a beat, and the background's are its own again")
    }
  }

  @Test func callsForFilesEndWithABeat() async {
    await #expect(processExitsWith: .success) {
      let before = Pulse.beats
      precondition(Pulse.atFile { Pulse.moment.isAtFile })
      try? Pulse.atFile { throw TregError.usage("no") }
      precondition(!Pulse.moment.isAtFile && Pulse.beats == before + 2)
      let path = FileManager.default.temporaryDirectory.appendingPathComponent("treg-pulse-\(getpid())").path
      defer { try? FileSystem.remove(path) }
      try AtomicFile.write("a text", to: path)
      let written = Pulse.beats
      precondition(written > before + 2)
      _ = try ContentHash.ofFile(path)
      precondition(Pulse.beats > written)
    }
  }

  /// Heartbeats tell the others what a rank does.
  @Test func heartbeatsTellWhatARankIsAt() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("treg-heartbeat-\(getpid())").path
    defer { try? FileSystem.remove(path) }
    for (atFile, flushes) in [(false, false), (true, false), (true, true)] {
      let moment = Pulse.Moment(beats: 7, step: 2, phase: "saving", isAtFile: atFile, isFlushing: flushes)
      let heartbeat = Heartbeat(rank: 1, host: "h", run: "r", sequence: 3, interval: 2, moment: moment, time: 5)
      #expect(heartbeat.write(to: path))
      #expect(Heartbeat(readingFrom: path)?.moment == moment)
    }
  }
}
