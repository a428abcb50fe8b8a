import Testing
import Training

/// Values of transformers.get_scheduler (5.x) for the same arguments, peak 1.
@Suite struct ScheduleTests {
  @Test func cosineStartsAtZeroAndEndsNearIt() {
    let schedule = LearningRateSchedule(peak: 1, shape: .cosine, warmupSteps: 2, totalSteps: 6)
    let truth = [0, 0.5, 1, 0.8535533905932737, 0.5, 0.14644660940672627]
    for (step, value) in truth.enumerated() { #expect(abs(schedule.rate(at: step) - value) < 1e-15) }
  }

  @Test func linearFallsToZero() {
    let schedule = LearningRateSchedule(peak: 2, shape: .linear, warmupSteps: 1, totalSteps: 5)
    let truth = [0, 2, 1.5, 1, 0.5]
    for (step, value) in truth.enumerated() { #expect(abs(schedule.rate(at: step) - value) < 1e-15) }
  }

  @Test func constantIgnoresTheWarmUpUnlessAskedForIt() {
    #expect(LearningRateSchedule(peak: 3, shape: .constant, warmupSteps: 4, totalSteps: 9).rate(at: 0) == 3)
    let warm = LearningRateSchedule(peak: 3, shape: .constantWithWarmup, warmupSteps: 4, totalSteps: 9)
    #expect([0, 1, 4, 8].map(warm.rate) == [0, 0.75, 3, 3])
  }
}
