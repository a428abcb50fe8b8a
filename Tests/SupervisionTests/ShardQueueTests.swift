import Supervision
import Testing

@Suite struct ShardQueueTests {
  private static func slots(_ hosts: String?...) -> [ShardQueue.Slot] {
    hosts.enumerated().map { .init(host: $0.element, number: $0.offset) }
  }

  @Test func everyShardIsMadeOnceWithABoundOnHowMany() {
    var queue = ShardQueue(shards: [0, 2, 5], slots: Self.slots(nil, nil), limit: 1)
    let (first, second) = (queue.next()!, queue.next()!)
    #expect(first.shard == 0 && second.shard == 2 && queue.next() == nil)
    queue.ended(second.slot, code: 0, line: "")
    let third = queue.next()!
    #expect(third.shard == 5 && third.slot == second.slot)
    queue.ended(first.slot, code: 0, line: "")
    queue.ended(third.slot, code: 0, line: "")
    #expect(queue.isOver && queue.finished == [2, 0, 5] && queue.failures.isEmpty)
  }

  @Test func failuresThatMayPassAreTriedAgainSoManyTimes() {
    var queue = ShardQueue(shards: [3], slots: Self.slots(nil), limit: 2)
    for again in [true, true, false] {
      #expect(queue.ended(queue.next()!.slot, code: 137, line: "x") == again)
    }
    #expect(queue.isOver && queue.failures == [.init(shard: 3, code: 137, line: "x")] && queue.retries == 2)
  }

  /// What would only repeat itself ends the set; jobs under way end by themselves.
  @Test func aMistakeStartsNothingMore() {
    var queue = ShardQueue(shards: [0, 1, 2], slots: Self.slots(nil, nil), limit: 2)
    let (first, second) = (queue.next()!, queue.next()!)
    let isAgain = queue.ended(first.slot, code: 65, line: "bad row")
    #expect(!isAgain)
    #expect(queue.next() == nil && !queue.isOver)
    queue.ended(second.slot, code: 0, line: "")
    #expect(queue.isOver && queue.failures.map(\.code) == [65])
  }

  @Test func aShardGoesToAnotherHostThanTheOneItFailedOn() {
    var queue = ShardQueue(shards: [0, 1], slots: Self.slots("a", "b"), limit: 3)
    let (first, second) = (queue.next()!, queue.next()!)
    queue.ended(second.slot, code: 0, line: "")
    queue.ended(first.slot, code: 139, line: "")
    #expect(queue.next()!.slot.host == "b")
  }

  /// ssh's own failures are the host's: it is left alone after three, and no shard pays for it.
  @Test func aHostThatIsGoneIsLeftAlone() {
    var queue = ShardQueue(shards: [0], slots: Self.slots("a"), limit: 0)
    for _ in 0..<3 {
      let isAgain = queue.ended(queue.next()!.slot, code: 255, line: "")
      #expect(isAgain)
    }
    #expect(queue.next() == nil && queue.isOver && queue.unmade == [0] && queue.failures.isEmpty)
  }
}
