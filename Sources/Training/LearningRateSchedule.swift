import Configuration

#if canImport(Glibc)
  import Glibc
#endif

/// The learning rate at every step, equal to transformers' schedules of the same names.
///
/// With W warm-up and N total steps, step k counting from 0:
///
///     warm-up    k / max(1, W)                       for k < W; the first step has rate 0
///     cosine     ½(1 + cos(π (k − W) / max(1, N − W)))
///     linear     (N − k) / max(1, N − W)
///     constant_with_warmup  1 after the warm-up;     constant  1 from the start
package struct LearningRateSchedule: Sendable {
  package let peak: Double
  package let shape: RunConfiguration.Schedule
  package let warmupSteps: Int
  package let totalSteps: Int

  package init(peak: Double, shape: RunConfiguration.Schedule, warmupSteps: Int, totalSteps: Int) {
    self.peak = peak
    self.shape = shape
    self.warmupSteps = warmupSteps
    self.totalSteps = totalSteps
  }

  /// - Parameter ratio: share of all steps that warm up, rounded up to whole steps, as transformers does.
  package init(_ configuration: RunConfiguration, totalSteps: Int) {
    self.init(
      peak: configuration.learningRate, shape: configuration.schedule,
      warmupSteps: configuration.warmupSteps
        ?? Int((Double(totalSteps) * (configuration.warmupRatio ?? 0)).rounded(.up)),
      totalSteps: totalSteps)
  }

  /// The rate of the optimizer's step `step`, counted from 0.
  package func rate(at step: Int) -> Double {
    if shape == .constant { return peak }
    if step < warmupSteps { return peak * Double(step) / Double(max(1, warmupSteps)) }
    let length = Double(max(1, totalSteps - warmupSteps))
    switch shape {
    case .constant, .constantWithWarmup: return peak
    case .linear: return peak * max(0, Double(totalSteps - step) / length)
    case .cosine: return peak * max(0, 0.5 * (1 + cos(.pi * Double(step - warmupSteps) / length)))
    }
  }
}
