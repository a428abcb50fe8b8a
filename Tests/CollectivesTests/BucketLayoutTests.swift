import Collectives
import Testing

@Suite struct BucketLayoutTests {
  @Test(arguments: [0, 1, 16, 1_000, 100_003], [1, 2, 3, 4, 7])
  func everyElementHasOneOwner(count: Int, ranks: Int) {
    let layout = BucketLayout(count: count, ranks: ranks, cuts: [count / 3 / 16 * 16], length: 4_096)
    #expect(layout.count == count)
    var owners = [Int](repeating: -1, count: count)
    for rank in 0..<ranks {
      var end = -1
      for range in layout.ranges(of: rank) {
        #expect(range.lowerBound > end && !range.isEmpty)
        end = range.upperBound
        for element in range {
          #expect(owners[element] == -1)
          owners[element] = rank
        }
      }
    }
    #expect(!owners.contains(-1))
    var covered = 5
    if count > 20 {
      layout.forEachPart(of: 5..<count - 7) { owner, part in
        #expect(part.lowerBound == covered && part.allSatisfy { owners[$0] == owner })
        covered = part.upperBound
      }
      #expect(covered == count - 7)
    }
  }

  @Test func everyBucketIsDividedAmongAllRanks() {
    let layout = BucketLayout(count: 10_000, ranks: 2, cuts: [3_008], length: 4_096)
    #expect(layout.buckets == [0..<3_008, 3_008..<7_104, 7_104..<10_000])
    #expect(layout.strips(of: 1) == [3_008..<5_056, 5_056..<7_104])
    #expect(layout.ranges(of: 0) == [0..<1_504, 3_008..<5_056, 7_104..<8_560])
  }

  @Test func oneRankOwnsOneRange() {
    let layout = BucketLayout(count: 100_000, ranks: 1, cuts: [32], length: 4_096)
    #expect(layout.ranges(of: 0) == [0..<100_000])
  }

  /// Where shares end does not depend on how many ranks have them.
  @Test func sharesAreTheSameOnAnyNumberOfRanks() {
    let one = BucketLayout(count: 10_003, ranks: 1, shares: 8, cuts: [3_008], length: 4_096)
    for ranks in [2, 4, 8] {
      let layout = BucketLayout(count: 10_003, ranks: ranks, shares: 8, cuts: [3_008], length: 4_096)
      #expect(layout.buckets == one.buckets && layout.buckets.count > 2)
      for share in 0..<8 { #expect(layout.ranges(ofShare: share) == one.ranges(ofShare: share)) }
      for rank in 0..<ranks {
        let own = (0..<8 / ranks).flatMap { layout.ranges(ofShare: rank * 8 / ranks + $0) }
        #expect(Set(layout.ranges(of: rank).flatMap(\.self)) == Set(own.flatMap(\.self)))
      }
    }
    #expect(one.ranges(of: 0) == [0..<10_003])
  }
}
