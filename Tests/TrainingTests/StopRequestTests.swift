import RunFolder
import Testing
import Training

#if canImport(Glibc)
  import Glibc
#endif

/// When a signal ends the process, and when it does not.
@Suite struct StopRequestTests {
  /// Sends SIGTERM until it is seen: one that comes while the handler is being put up is lost.
  private static func terminate(_ stop: StopRequest) {
    for _ in 0..<1000 where stop.reason == nil {
      kill(getpid(), SIGTERM)
      usleep(10_000)
    }
    if stop.reason != .preempted { exit(1) }
  }

  @Test func beforeTheWorkASignalEndsTheProcess() async {
    await #expect(processExitsWith: .exitCode(75)) {
      let stop = StopRequest()
      stop.listening(speaks: false) {
        Self.terminate(stop)
        sleep(10)
      }
      exit(2)
    }
  }

  @Test func duringTheWorkItIsRemembered() async {
    await #expect(processExitsWith: .exitCode(3)) {
      let stop = StopRequest()
      stop.listening(speaks: false) {
        stop.beginWork()
        Self.terminate(stop)
        usleep(100_000)
        exit(3)
      }
    }
  }

  /// `mpirun` sends it to the ranks that are still leaving when the first one has left with an error.
  @Test func afterItTheProcessEndsAsItMeantTo() async {
    await #expect(processExitsWith: .exitCode(78)) {
      let stop = StopRequest()
      try? stop.listening(speaks: true) { throw TregError(.configuration, "refused") }
      Self.terminate(stop)
      usleep(100_000)
      exit(78)
    }
  }
}
