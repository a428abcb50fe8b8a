import Collectives
import Testing

@Suite struct ShardLayoutTests {
  @Test(arguments: [0, 1, 15, 16, 17, 100, 1_000, 134_515_008], [1, 2, 3, 4, 7, 64])
  func coversTheBufferInOrder(count: Int, ranks: Int) {
    let shards = ShardLayout(count: count, ranks: ranks).shards
    #expect(shards.count == ranks)
    #expect(shards.first?.lowerBound == 0 && shards.last?.upperBound == count)
    for (shard, next) in zip(shards, shards.dropFirst()) { #expect(shard.upperBound == next.lowerBound) }
    let length = shards[0].count
    for shard in shards where shard.upperBound < count {
      #expect(shard.count == length && length.isMultiple(of: 16))
    }
    // Nobody carries more than a fair share and one block of 16.
    #expect(shards.allSatisfy { $0.count <= count / ranks + 16 })
  }

  @Test(arguments: [0, 1, 17, 100, 1_000], [1, 2, 4, 8])
  func groupsAreShardsPutTogether(count: Int, size: Int) {
    let shards = ShardLayout(count: count, ranks: 8).shards
    let groups = ShardLayout(count: count, ranks: 8).grouped(by: size).shards
    #expect(groups.count == 8 / size)
    for (index, group) in groups.enumerated() {
      #expect(group == shards[index * size].lowerBound..<shards[(index + 1) * size - 1].upperBound)
    }
  }

  @Test func fewElementsLeaveEmptyShards() {
    #expect(ShardLayout(count: 20, ranks: 4).shards == [0..<16, 16..<20, 20..<20, 20..<20])
    #expect(ShardLayout(count: 3, ranks: 4, alignment: 1).shards == [0..<1, 1..<2, 2..<3, 3..<3])
    #expect(ShardLayout(count: 0, ranks: 2)[1].isEmpty)
  }
}
