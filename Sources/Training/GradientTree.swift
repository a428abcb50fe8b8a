import CKernels
import Compute

/// The gradients of a rank's shares, made one after the other and summed as a binary tree, depth first: beside the sum
/// itself log₂(shares) buffers are held, not one for each.
package final class GradientTree {
  private let shares: Int
  private let workers: Workers
  /// Number d holds the second branch of a fork at depth d.
  private let branches: [FloatBuffer]
  /// Elements that one thread adds at a time.
  private static let piece = 1 << 18

  /// - Parameters:
  ///   - shares: a power of two.
  ///   - count: elements of a gradient.
  package init(shares: Int, count: Int, workers: Workers) {
    precondition(shares > 0 && shares & (shares - 1) == 0, "a tree of \(shares) shares")
    self.shares = shares
    self.workers = workers
    branches = (0..<shares.trailingZeroBitCount).map { _ in FloatBuffer(count: count) }
  }

  /// Leaves the sum of all shares' gradients in `result`.
  ///
  /// - Parameter make: adds the gradient of a share, counted from 0, to a buffer of zeros; called for each share in order.
  package func sum(
    into result: FloatBuffer, timeline: StepTimeline, _ make: (_ share: Int, _ buffer: FloatBuffer) throws -> Void
  ) rethrows {
    try fill(result, 0..<shares, depth: 0, timeline, make)
  }

  private func fill(
    _ buffer: FloatBuffer, _ range: Range<Int>, depth: Int, _ timeline: StepTimeline,
    _ make: (_ share: Int, _ buffer: FloatBuffer) throws -> Void
  ) rethrows {
    guard range.count > 1 else {
      timeline.measure(.optimizer) { buffer.clear() }
      return try make(range.lowerBound, buffer)
    }
    let middle = range.lowerBound + range.count / 2
    try fill(buffer, range.lowerBound..<middle, depth: depth + 1, timeline, make)
    try fill(branches[depth], middle..<range.upperBound, depth: depth + 1, timeline, make)
    timeline.measure(.optimizer) { add(branches[depth], to: buffer) }
  }

  private func add(_ other: FloatBuffer, to buffer: FloatBuffer) {
    let pieces = Panels(other.count, limit: Self.piece, multiple: 16)
    workers.run(pieces.count) { item, _ in
      let part = pieces[item]
      tk_add(buffer.pointer + part.lowerBound, other.pointer + part.lowerBound, Int64(part.count))
    }
  }
}
