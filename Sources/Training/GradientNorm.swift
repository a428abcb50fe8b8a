import CKernels
import Compute
import ModelDescription

/// Σ g² of a flat gradient in double precision, over blocks that follow from its parameters and from the shares it is
/// cut into, not from who holds what: so the same gradient gives the same bits on any rank and any number of threads.
package struct GradientNorm {
  /// Of each share, elements of one parameter each.
  private let blocks: [[Range<Int>]]
  private let workers: Workers
  private static let blockLimit = 1 << 18

  /// - Parameter parts: every share's elements, ascending.
  package init(_ trained: TrainedParameters, parts: [[Range<Int>]], workers: Workers) {
    self.workers = workers
    let parameters = trained.parameters.map(\.range)
    blocks = parts.map { part in
      SharedRanges.of(part, parameters).flatMap { shared in
        stride(from: shared.range.lowerBound, to: shared.range.upperBound, by: Self.blockLimit).map {
          $0..<min($0 + Self.blockLimit, shared.range.upperBound)
        }
      }
    }
  }

  /// The sums of squares of some shares' elements.
  package func sums(of gradients: FloatBuffer, shares: Range<Int>) -> [Double] {
    let own = blocks[shares].flatMap(\.self)
    var sums = [Double](repeating: 0, count: own.count)
    sums.withUnsafeMutableBufferPointer { sums in
      // Each item writes an element of its own.
      nonisolated(unsafe) let sums = sums
      workers.run(own.count) { item, _ in
        sums[item] = tk_sum_of_squares(gradients.pointer + own[item].lowerBound, Int64(own[item].count))
      }
    }
    var rest = sums[...]
    return blocks[shares].map { blocks in
      defer { rest = rest.dropFirst(blocks.count) }
      return rest.prefix(blocks.count).reduce(0, +)
    }
  }
}
