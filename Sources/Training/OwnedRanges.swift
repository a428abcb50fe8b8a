import Collectives

/// How the optimizer's state is divided among the ranks that saved it.
package enum StateDivision: Sendable, Equatable {
  /// Every rank holds its strips of all buckets.
  case buckets(BucketLayout)
  /// Every rank holds all.
  case whole(count: Int)
  /// One range a rank, as checkpoints of format version 1 have it.
  case shards([Range<Int>])

  /// What a rank holds, ascending.
  package func ranges(of rank: Int) -> [Range<Int>] {
    switch self {
    case .buckets(let layout): layout.ranges(of: rank)
    case .whole(let count): [0..<count]
    case .shards(let shards): [shards[rank]]
    }
  }
}

/// What two ascending lists of ranges have in common.
package enum SharedRanges {
  /// A part of both, and its place when the ranges of each list follow each other.
  package struct Part: Equatable {
    package let range: Range<Int>
    package let first, second: Int
  }

  package static func of(_ first: [Range<Int>], _ second: [Range<Int>]) -> [Part] {
    var parts: [Part] = []
    var (a, b, placeA, placeB) = (0, 0, 0, 0)
    while a < first.count, b < second.count {
      let common = first[a].clamped(to: second[b])
      if !common.isEmpty {
        parts.append(
          Part(
            range: common, first: placeA + common.lowerBound - first[a].lowerBound,
            second: placeB + common.lowerBound - second[b].lowerBound))
      }
      if first[a].upperBound <= second[b].upperBound {
        placeA += first[a].count
        a += 1
      } else {
        placeB += second[b].count
        b += 1
      }
    }
    return parts
  }
}
