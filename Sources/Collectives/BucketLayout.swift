/// A flat buffer cut into buckets, every bucket divided among all ranks: so what each bucket holds can be summed to its
/// owners as soon as it is ready, over all links alike.
package struct BucketLayout: Equatable, Sendable {
  /// They follow each other and cover the buffer.
  package let buckets: [Range<Int>]
  package let ranks: Int
  /// Parts of a bucket, of which every rank has as many as the others, one after the other: where they end does not depend
  /// on the number of ranks.
  package let shares: Int

  /// fp32 numbers of 16 MB, of which a link of 1 Gbit/s carries the last one in 0.1 s.
  package static let defaultLength = 1 << 22

  /// - Parameters:
  ///   - shares: a multiple of `ranks`; nil: one for each.
  ///   - cuts: where a bucket must begin.
  ///   - length: elements of the longest bucket.
  /// - Precondition: `cuts` ascend and lie in the buffer.
  package init(count: Int, ranks: Int, shares: Int? = nil, cuts: [Int] = [], length: Int = defaultLength) {
    precondition(count >= 0 && ranks > 0 && length > 0, "\(count) elements for \(ranks) ranks")
    var buckets: [Range<Int>] = []
    var start = 0
    for end in cuts + [count] {
      precondition(start <= end && end <= count, "a cut at \(end) of \(count)")
      // One rank has nothing to send.
      let length = (shares ?? ranks) == 1 ? max(end - start, 1) : length
      for first in stride(from: start, to: end, by: length) { buckets.append(first..<min(first + length, end)) }
      start = end
    }
    self.init(buckets: buckets, ranks: ranks, shares: shares)
  }

  /// - Precondition: the buckets follow each other from 0.
  package init(buckets: [Range<Int>], ranks: Int, shares: Int? = nil) {
    precondition((shares ?? ranks) % ranks == 0, "\(shares ?? ranks) shares for \(ranks) ranks")
    var end = 0
    for bucket in buckets {
      precondition(bucket.lowerBound == end, "a bucket begins at \(bucket.lowerBound), the last one ends at \(end)")
      end = bucket.upperBound
    }
    self.buckets = buckets
    self.ranks = ranks
    self.shares = shares ?? ranks
  }

  package var count: Int { buckets.last?.upperBound ?? 0 }

  /// Every rank's strip of a bucket.
  package func strips(of bucket: Int) -> [Range<Int>] { strips(of: bucket, among: ranks) }

  private func strips(of bucket: Int, among owners: Int) -> [Range<Int>] {
    let range = buckets[bucket]
    return ShardLayout(count: range.count, ranks: shares).grouped(by: shares / owners).shards.map {
      range.lowerBound + $0.lowerBound..<range.lowerBound + $0.upperBound
    }
  }

  /// What a rank owns, ascending, ranges that touch put together.
  package func ranges(of rank: Int) -> [Range<Int>] { ranges(of: rank, among: ranks) }

  /// A share of all buckets, likewise.
  package func ranges(ofShare share: Int) -> [Range<Int>] { ranges(of: share, among: shares) }

  private func ranges(of owner: Int, among owners: Int) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    for strip in buckets.indices.map({ strips(of: $0, among: owners)[owner] }) where !strip.isEmpty {
      if let last = ranges.last, last.upperBound == strip.lowerBound {
        ranges[ranges.count - 1] = last.lowerBound..<strip.upperBound
      } else {
        ranges.append(strip)
      }
    }
    return ranges
  }

  /// Calls `body` with the owner of each part of a range, in ascending order.
  package func forEachPart(of range: Range<Int>, _ body: (_ owner: Int, _ part: Range<Int>) -> Void) {
    var index = firstBucket(endingAfter: range.lowerBound)
    while index < buckets.count, buckets[index].lowerBound < range.upperBound {
      for (owner, strip) in strips(of: index).enumerated() {
        let part = strip.clamped(to: range)
        if !part.isEmpty { body(owner, part) }
      }
      index += 1
    }
  }

  private func firstBucket(endingAfter element: Int) -> Int {
    var (low, high) = (0, buckets.count)
    while low < high {
      let middle = (low + high) / 2
      if buckets[middle].upperBound > element { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
