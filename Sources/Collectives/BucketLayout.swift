/// A flat buffer cut into buckets, every bucket divided among all ranks: so what each bucket holds can be summed to its
/// owners as soon as it is ready, over all links alike.
package struct BucketLayout: Equatable, Sendable {
  /// They follow each other and cover the buffer.
  package let buckets: [Range<Int>]
  package let ranks: Int

  /// fp32 numbers of 16 MB, of which a link of 1 Gbit/s carries the last one in 0.1 s.
  package static let defaultLength = 1 << 22

  /// - Parameters:
  ///   - cuts: where a bucket must begin.
  ///   - length: elements of the longest bucket.
  /// - Precondition: `cuts` ascend and lie in the buffer.
  package init(count: Int, ranks: Int, cuts: [Int] = [], length: Int = defaultLength) {
    precondition(count >= 0 && ranks > 0 && length > 0, "\(count) elements for \(ranks) ranks")
    var buckets: [Range<Int>] = []
    var start = 0
    for end in cuts + [count] {
      precondition(start <= end && end <= count, "a cut at \(end) of \(count)")
      // One rank has nothing to send.
      let length = ranks == 1 ? max(end - start, 1) : length
      for first in stride(from: start, to: end, by: length) { buckets.append(first..<min(first + length, end)) }
      start = end
    }
    self.init(buckets: buckets, ranks: ranks)
  }

  /// - Precondition: the buckets follow each other from 0.
  package init(buckets: [Range<Int>], ranks: Int) {
    var end = 0
    for bucket in buckets {
      precondition(bucket.lowerBound == end, "a bucket begins at \(bucket.lowerBound), the last one ends at \(end)")
      end = bucket.upperBound
    }
    self.buckets = buckets
    self.ranks = ranks
  }

  package var count: Int { buckets.last?.upperBound ?? 0 }

  /// Every rank's strip of a bucket.
  package func strips(of bucket: Int) -> [Range<Int>] {
    let range = buckets[bucket]
    return ShardLayout(count: range.count, ranks: ranks).shards.map {
      range.lowerBound + $0.lowerBound..<range.lowerBound + $0.upperBound
    }
  }

  /// What a rank owns, ascending, ranges that touch put together.
  package func ranges(of rank: Int) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    for strip in buckets.indices.map({ strips(of: $0)[rank] }) where !strip.isEmpty {
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
