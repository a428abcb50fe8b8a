import CKernels
import Compute
import ModelDescription

/// AdamW over the shard of the flat parameter buffer that a rank owns, equal to torch.optim.AdamW at every step.
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

  /// Elements of the flat buffer that this optimizer updates.
  package let shard: Range<Int>
  /// First and second moments, one value per element of the shard.
  package let mean: FloatBuffer
  package let square: FloatBuffer
  /// Steps taken so far.
  package var step = 0

  private let options: Options
  private let workers: Workers
  /// Pieces of the shard that one item updates, all with decay or all without.
  private let pieces: [(range: Range<Int>, decays: Bool)]
  private static let pieceLimit = 1 << 18

  package init(_ trained: TrainedParameters, shard: Range<Int>, options: Options, workers: Workers) {
    self.shard = shard
    self.options = options
    self.workers = workers
    mean = FloatBuffer(count: shard.count)
    square = FloatBuffer(count: shard.count)
    var pieces: [(Range<Int>, Bool)] = []
    for parameter in trained.parameters {
      let owned = parameter.range.clamped(to: shard)
      for start in stride(from: owned.lowerBound, to: owned.upperBound, by: Self.pieceLimit) {
        pieces.append((start..<min(start + Self.pieceLimit, owned.upperBound), parameter.decays))
      }
    }
    self.pieces = pieces
  }

  /// Steps the shard from the gradients times `gradientScale`.
  ///
  /// - Parameter parameters: of the shard alone, from its first element on.
  package func update(
    parameters: UnsafeMutablePointer<Float>, gradients: FloatBuffer, gradientScale: Float, learningRate: Double
  ) {
    step += 1
    let correction1 = 1 - power(options.beta1, step)
    let correction2 = 1 - power(options.beta2, step)
    workers.run(pieces.count) { item, _ in
      let (range, decays) = pieces[item]
      let own = range.lowerBound - shard.lowerBound
      tk_adamw(
        parameters + own, mean.pointer + own, square.pointer + own,
        gradients.pointer + range.lowerBound, gradientScale, learningRate, options.beta1, options.beta2,
        options.epsilon, decays ? options.weightDecay : 0, correction1, correction2, Int64(range.count))
    }
  }

  private func power(_ base: Double, _ exponent: Int) -> Double {
    var result = 1.0
    for _ in 0..<exponent { result *= base }
    return result
  }
}
