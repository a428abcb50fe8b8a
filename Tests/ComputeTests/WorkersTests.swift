import Compute
import Synchronization
import Testing

@Suite struct WorkersTests {
  @Test(arguments: [1, 2, 3], [0, 1, 7, 500])
  func worksOnEveryItemOnce(threads: Int, items: Int) {
    let workers = Workers(threads: threads)
    let counts = (0..<items).map { _ in Counter() }
    let strangers = Counter()
    // What the closure holds is seen by all threads, in one run after the other.
    for round in 1...20 {
      workers.run(items) { item, worker in
        counts[item].add(round)
        if !(0..<threads).contains(worker) { strangers.add(1) }
      }
    }
    #expect(counts.allSatisfy { $0.value == 210 })
    #expect(strangers.value == 0)
  }

  @Test func callsTheInterludeAfterItemsOfTheCallersThread() {
    let workers = Workers(threads: 2)
    let (mine, interludes) = (Counter(), Counter())
    workers.interlude = { interludes.add(1) }
    workers.run(200) { _, worker in
      if worker == 0 { mine.add(1) }
    }
    workers.interlude = nil
    #expect(interludes.value == mine.value)
    workers.run(10) { _, _ in }
    #expect(interludes.value == mine.value)
  }

  private final class Counter: Sendable {
    private let sum = Atomic<Int>(0)
    var value: Int { sum.load(ordering: .relaxed) }
    func add(_ number: Int) { sum.add(number, ordering: .relaxed) }
  }
}
