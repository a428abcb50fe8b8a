import Foundation
import OrderedJSON
import RunFolder
import Testing
import Training

@Suite struct StepGuardTests {
  @Test func aSpikeIsMeasuredByTheMedianOfTakenSteps() {
    var guarding = StepGuard(StepGuard.Options(spikeFactor: 3))
    for norm in 1...7 { guarding.accept(Double(norm)) }
    #expect(guarding.median == nil && !guarding.isSpike(1e9), "too few to tell")
    guarding.accept(8)
    #expect(guarding.median == 4.5)
    #expect(!guarding.isSpike(13.5) && guarding.isSpike(13.6))
    guarding.skip()
    #expect(guarding.median == 4.5, "a skipped step's norm does not count")
    for _ in 0..<StepGuard.windowLength { guarding.accept(100) }
    #expect(guarding.norms.count == StepGuard.windowLength && guarding.median == 100)
    #expect(!StepGuard().isSpike(1e30), "off unless it is asked for")
  }

  @Test func stepsInARowEndARun() {
    var guarding = StepGuard(StepGuard.Options(maximumSkips: 2))
    guarding.skip()
    guarding.accept(1)
    guarding.skip()
    #expect(!guarding.isExhausted)
    guarding.skip()
    #expect(guarding.isExhausted && guarding.skippedCount == 3 && guarding.skippedInRow == 2)
  }

  @Test func aCheckpointKeepsAllOfIt() throws {
    var guarding = StepGuard(StepGuard.Options(spikeFactor: 2.5))
    for index in 0..<70 { guarding.accept(0.1 + Double(index) / 7) }
    guarding.skip()
    var restored = StepGuard(StepGuard.Options(spikeFactor: 2.5))
    try restored.restore(JSONValue(parsing: guarding.json.text()), place: "state.json")
    #expect(restored == guarding)
    for text in [
      "{}", #"{"version": 2}"#, #"{"version": 1, "skipped": 0, "skipped_in_row": 1, "norms": []}"#,
      #"{"version": 1, "skipped": 0, "skipped_in_row": 0, "norms": [-1]}"#,
    ] {
      #expect(throws: TregError.self) { try restored.restore(JSONValue(parsing: text), place: "state.json") }
    }
    #expect(restored == guarding, "what is refused changes nothing")
  }

  @Test func batchesDifferInAnyPart() {
    let batch = BatchIdentity(step: 3, rows: [1, 2, 3])
    #expect(batch == BatchIdentity(step: 3, rows: [1, 2, 3]))
    for other in [
      BatchIdentity(step: 4, rows: [1, 2, 3]), BatchIdentity(step: 3, rows: [1, 3, 2]),
      BatchIdentity(step: 3, rows: [1, 2]),
    ] {
      #expect(batch != other)
    }
  }
}

@Suite struct DrillTests {
  private func orders(_ text: String, ranks: Int = 3) throws -> [Drill.Order]? {
    try Drill(environment: ["TREG_DRILL": text], ranks: ranks)?.orders
  }

  @Test func ordersAreRead() throws {
    #expect(try Drill(environment: [:], ranks: 1) == nil)
    let again = ["TREG_DRILL": "kill:step=2,rank=0;skip:step=3", "TREG_ATTEMPT": "1"]
    #expect(try Drill(environment: again, ranks: 1)?.orders.map(\.kind) == [.skip])
    #expect(try Drill(environment: again.merging(["TREG_ATTEMPT": "0"]) { $1 }, ranks: 1)?.orders.count == 2)
    let all = try #require(try orders("nan:step=3,rank=1,times=2;flip:rank=2,step=4;skip:step=5"))
    #expect(all.map(\.kind) == [.nan, .flip, .skip] && all.map(\.step) == [3, 4, 5])
    #expect(all.map(\.rank) == [1, 2, nil] && all.map(\.times) == [2, 1, 1])
  }

  @Test(arguments: [
    "nan", "melt:step=1,rank=0", "nan:step=0,rank=0", "nan:step=1", "nan:rank=0", "flip:step=1,rank=3",
    "flip:step=1,rank=0,times=2", "kill:step=1,rank=0,", "kill:step=1,step=2,rank=0", "stop:step=x,rank=0",
    "skip:step=1,rank=0", "kill:step=1,rank=0;", "kill:step=1,rank=-1",
  ])
  func whatIsNoOrderIsRefused(text: String) {
    do {
      _ = try orders(text)
      Issue.record("\(text) was taken")
    } catch {
      let known = error as? TregError
      #expect(known?.exitCode == .configuration && known?.place == "TREG_DRILL")
    }
  }
}
