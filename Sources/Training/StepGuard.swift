import OrderedJSON
import RunFolder

/// Decides which steps must not change a model, and remembers what it takes to decide that: the norms of the last gradients
/// that did, and how many steps were skipped.
///
/// Every rank has the same one: it is fed what all ranks have in common.
package struct StepGuard: Sendable, Equatable {
  package struct Options: Sendable, Equatable {
    /// So many skipped steps in a row end a run.
    package var maximumSkips = 3
    /// A gradient is a spike when its norm is above so many times the running median; nil: none is.
    package var spikeFactor: Double?

    package init(maximumSkips: Int = 3, spikeFactor: Double? = nil) {
      self.maximumSkips = maximumSkips
      self.spikeFactor = spikeFactor
    }
  }

  /// Why a step was skipped. Of two reasons the greater counts.
  package enum Reason: Int, Sendable, Comparable {
    /// A drill said so.
    case told = 1
    case spike
    /// The loss or the gradient, computed twice, is not finite.
    case notFinite

    package static func < (left: Reason, right: Reason) -> Bool { left.rawValue < right.rawValue }

    package var words: String {
      switch self {
      case .told: "it was told to be"
      case .spike: "the gradient is a spike"
      case .notFinite: "the loss or the gradient is not finite"
      }
    }

    package var name: String {
      switch self {
      case .told: "told"
      case .spike: "spike"
      case .notFinite: "nonfinite"
      }
    }
  }

  package let options: Options
  /// Norms of the last steps that were taken, the oldest first.
  package private(set) var norms: [Double] = []
  package private(set) var skippedInRow = 0
  package private(set) var skippedCount = 0

  /// Norms that the median is of, and how many it takes to call anything a spike.
  package static let windowLength = 64
  package static let leastNorms = 8
  private static let version = 1

  package init(_ options: Options = Options()) {
    self.options = options
  }

  package var median: Double? {
    guard norms.count >= Self.leastNorms else { return nil }
    let sorted = norms.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }

  package func isSpike(_ norm: Double) -> Bool {
    guard let factor = options.spikeFactor, let median else { return false }
    return norm > factor * median
  }

  /// A step with a gradient of this norm was taken.
  package mutating func accept(_ norm: Double) {
    norms.append(norm)
    if norms.count > Self.windowLength { norms.removeFirst() }
    skippedInRow = 0
  }

  package mutating func skip() {
    skippedInRow += 1
    skippedCount += 1
  }

  /// Whether too many steps in a row were skipped.
  package var isExhausted: Bool { skippedInRow >= options.maximumSkips }

  /// What a checkpoint keeps.
  package var json: JSONValue {
    [
      "version": .integer(Self.version), "skipped": .integer(skippedCount), "skipped_in_row": .integer(skippedInRow),
      "norms": .array(norms.map { .number($0) }),
    ]
  }

  /// Goes on from what ``json`` kept.
  ///
  /// - Throws: 65 when it is not that.
  package mutating func restore(_ value: JSONValue, place: String) throws {
    guard value["version"]?.integer == Self.version, let skipped = value["skipped"]?.integer,
      let inRow = value["skipped_in_row"]?.integer, 0 <= inRow, inRow <= skipped,
      let norms = value["norms"]?.array?.compactMap(\.double), norms.count == value["norms"]?.array?.count,
      norms.count <= Self.windowLength, norms.allSatisfy({ $0.isFinite && $0 >= 0 })
    else { throw TregError.badData(at: place, "the checkpoint's state lacks a valid \"guard\"") }
    self.norms = norms
    skippedCount = skipped
    skippedInRow = inRow
  }
}
