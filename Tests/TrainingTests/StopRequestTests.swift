import RunFolder
import Testing
import Training

#if canImport(Glibc)
  import Glibc
#endif

/// When a signal ends the process, and when it does not.
@Suite struct StopRequestTests {
  @Test func beforeTheWorkASignalEndsTheProcess() async {
    await #expect(processExitsWith: .exitCode(75)) {
      StopRequest().listening(speaks: false) {
        kill(getpid(), SIGTERM)
        sleep(10)
      }
      exit(1)
    }
  }

  @Test func duringTheWorkItIsRemembered() async {
    await #expect(processExitsWith: .exitCode(3)) {
      let stop = StopRequest()
      stop.listening(speaks: false) {
        stop.beginWork()
        kill(getpid(), SIGTERM)
        for _ in 0..<1000 where stop.reason == nil { usleep(10_000) }
        exit(stop.reason == .preempted ? 3 : 1)
      }
    }
  }

  /// `mpirun` sends it to the ranks that are still leaving when the first one has left with an error.
  @Test func afterItTheProcessEndsAsItMeantTo() async {
    await #expect(processExitsWith: .exitCode(78)) {
      let stop = StopRequest()
      try? stop.listening(speaks: true) { throw TregError(.configuration, "refused") }
      kill(getpid(), SIGTERM)
      for _ in 0..<1000 where stop.reason == nil { usleep(10_000) }
      exit(78)
    }
  }
}
