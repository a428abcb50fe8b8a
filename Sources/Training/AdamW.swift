import CKernels
import Compute
import ModelDescription

/// AdamW over the parts of the flat parameter buffer that a rank owns, equal to torch.optim.AdamW at every step.
///
/// Weight decay is decoupled and spares norms and biases.
package final class AdamW {
  package struct Options: Sendable, Equatable {
    package var beta1 = 0.9
    package var beta2 = 0.999
    package var epsilon = 1e-8
    package var weightDecay = 0.0

    package init(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0) {
      self.beta1 = beta1
      self.beta2 = beta2
      self.epsilon = epsilon
      self.weightDecay = weightDecay
    }
  }

  /// Elements of the flat buffer that this optimizer updates, ascending.
  package let ranges: [Range<Int>]
  /// First and second moments, one value per element of the ranges, which follow each other here.
  package let mean: FloatBuffer
  package let square: FloatBuffer
  /// Steps so far, those that were skipped among them: the place in the schedule.
  package var step = 0
  /// Steps that changed nothing. The moments have seen so many fewer gradients.
  package var skippedCount = 0

  private let options: Options
  private let workers: Workers
  /// Pieces that one item updates, all with decay or all without, and their places among what is owned.
  private let pieces: [(range: Range<Int>, place: Int, decays: Bool)]
  private static let pieceLimit = 1 << 18

  package init(_ trained: TrainedParameters, ranges: [Range<Int>], options: Options, workers: Workers) {
    self.ranges = ranges
    self.options = options
    self.workers = workers
    let count = ranges.reduce(0) { $0 + $1.count }
    mean = FloatBuffer(count: count)
    square = FloatBuffer(count: count)
    var pieces: [(Range<Int>, Int, Bool)] = []
    var place = 0
    var first = 0
    for range in ranges {
      // Both lists ascend.
      while first < trained.parameters.count, trained.parameters[first].range.upperBound <= range.lowerBound {
        first += 1
      }
      for parameter in trained.parameters[first...].prefix(while: { $0.offset < range.upperBound }) {
        let owned = parameter.range.clamped(to: range)
        for start in stride(from: owned.lowerBound, to: owned.upperBound, by: Self.pieceLimit) {
          let piece = start..<min(start + Self.pieceLimit, owned.upperBound)
          pieces.append((piece, place + start - range.lowerBound, parameter.decays))
        }
      }
      place += range.count
    }
    self.pieces = pieces
  }

  /// Steps what is owned from the gradients times `gradientScale`.
  ///
  /// - Parameters:
  ///   - parameters: laid out flat, or of what is owned alone.
  ///   - areCompact: the latter.
  package func update(
    parameters: UnsafeMutablePointer<Float>, areCompact: Bool = false, gradients: FloatBuffer, gradientScale: Float,
    learningRate: Double
  ) {
    step += 1
    let correction1 = 1 - power(options.beta1, step - skippedCount)
    let correction2 = 1 - power(options.beta2, step - skippedCount)
    workers.run(pieces.count) { item, _ in
      let (range, place, decays) = pieces[item]
      tk_adamw(
        parameters + (areCompact ? place : range.lowerBound), mean.pointer + place, square.pointer + place,
        gradients.pointer + range.lowerBound, gradientScale, learningRate, options.beta1, options.beta2,
        options.epsilon, decays ? options.weightDecay : 0, correction1, correction2, Int64(range.count))
    }
  }

  /// Lets a step go by without a gradient: no weight and no moment changes.
  package func skip() {
    step += 1
    skippedCount += 1
  }

  private func power(_ base: Double, _ exponent: Int) -> Double {
    var result = 1.0
    for _ in 0..<exponent { result *= base }
    return result
  }
}
