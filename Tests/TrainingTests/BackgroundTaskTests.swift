import Foundation
import RunFolder
import Testing
import Training

@Suite struct BackgroundTaskTests {
  struct Refusal: Error {}

  private static func wait(until condition: () -> Bool) {
    for _ in 0..<20_000 {
      if condition() { return }
      usleep(1000)
    }
    preconditionFailure("waited in vain")
  }

  @Test func itsOutcomeIsWaitedFor() throws {
    let made = BackgroundTask { 7 }
    #expect(try made.wait() == 7 && made.isFinished)
    #expect(try made.wait() == 7, "again")
    #expect(throws: Refusal.self) { try BackgroundTask<Int> { throw Refusal() }.wait() }
  }

  /// A watchdog sees that the work stands still, however much is written meanwhile.
  @Test func itHidesNoStandstill() async {
    await #expect(processExitsWith: .success) {
      let before = Pulse.beats
      let task = BackgroundTask { for _ in 0..<1000 { Pulse.beat() } }
      while !task.isFinished { usleep(1000) }
      precondition(Pulse.beats == before)
      try task.wait()
      precondition(Pulse.beats == before + 1, "the end of waiting is a sign")
    }
  }

  /// Whoever waits for it lives as long as it does, and no longer.
  @Test func itIsTheLifeOfWhoWaits() async {
    await #expect(processExitsWith: .success) {
      let (hang, goOn, watched) = (
        DispatchSemaphore(value: 0), DispatchSemaphore(value: 0), DispatchSemaphore(value: 0)
      )
      let task = BackgroundTask {
        while hang.wait(timeout: .now() + .milliseconds(1)) == .timedOut { Pulse.beat() }
        // A disk that does not answer.
        Pulse.atFile { goOn.wait() }
      }
      Thread.detachNewThread {
        let before = Pulse.beats
        BackgroundTaskTests.wait { Pulse.beats > before + 10 }
        hang.signal()
        BackgroundTaskTests.wait { Pulse.moment.isAtFile }
        let hanging = Pulse.moment
        usleep(50_000)
        precondition(Pulse.moment == hanging)
        goOn.signal()
        watched.signal()
      }
      try task.wait()
      watched.wait()
      precondition(!Pulse.moment.isAtFile)
    }
  }
}
