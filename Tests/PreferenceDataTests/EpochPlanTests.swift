import PreferenceData
import RunFolder
import Testing

@Suite struct EpochPlanTests {
  /// Orders that Tests/Oracles/epoch_orders.py computes; runs resume by them, so they may never change.
  @Test(arguments: [
    (42, 0, [1, 7, 2, 5, 6, 4, 0, 9, 8, 3]), (42, 1, [0, 8, 6, 5, 1, 3, 7, 4, 2, 9]),
    (-1, 0, [1, 7, 2, 5, 0, 9, 8, 4, 6, 3]),
  ])
  func ordersStayAsTheyAre(seed: Int, epoch: Int, order: [Int]) throws {
    let plan = try EpochPlan(rowCount: 10, globalBatchSize: 4, seed: seed, length: .epochs(2))
    #expect(plan.order(ofEpoch: epoch) == order)
  }

  @Test func takesEveryRowOncePerEpoch() throws {
    var plan = try EpochPlan(rowCount: 10, globalBatchSize: 4, seed: 7, length: .epochs(3))
    #expect(plan.stepsPerEpoch == 3 && plan.stepCount == 9)
    let batches = (0..<plan.stepCount).map { plan.batch(ofStep: $0) }
    #expect(batches.map(\.count) == [4, 4, 2, 4, 4, 2, 4, 4, 2])
    for epoch in 0..<3 {
      #expect(batches[3 * epoch..<3 * epoch + 3].flatMap { $0 } == plan.order(ofEpoch: epoch))
      #expect(plan.order(ofEpoch: epoch).sorted() == Array(0..<10))
    }
    #expect(plan.order(ofEpoch: 0) != plan.order(ofEpoch: 1))
    #expect(plan.position(ofStep: 7) == (2, 1))
    #expect(plan.epochs(afterSteps: 3) == 1)
    // Resuming asks for a step without those before it.
    var resumed = try EpochPlan(rowCount: 10, globalBatchSize: 4, seed: 7, length: .epochs(3))
    #expect(resumed.batch(ofStep: 7) == batches[7])
  }

  @Test func namesTheRowsOfTheFirstSteps() throws {
    var plan = try EpochPlan(rowCount: 10, globalBatchSize: 4, seed: 7, length: .epochs(3))
    #expect(plan.rows(ofSteps: 2) == Set(plan.batch(ofStep: 0) + plan.batch(ofStep: 1)))
    #expect(plan.rows(ofSteps: 3) == nil && plan.rows(ofSteps: 9) == nil, "all of them")
  }

  @Test func countsSteps() throws {
    func steps(_ length: EpochPlan.Length) throws -> Int {
      try EpochPlan(rowCount: 10, globalBatchSize: 4, seed: 0, length: length).stepCount
    }
    #expect(try steps(.epochs(0.5)) == 2)
    #expect(try steps(.steps(100)) == 100)
    var small = try EpochPlan(rowCount: 3, globalBatchSize: 128, seed: 0, length: .epochs(1))
    #expect(small.stepCount == 1 && small.batch(ofStep: 0).sorted() == [0, 1, 2])
    expectError(.configuration, "num_train_epochs: expected a number above 0, found 0.0") { try steps(.epochs(0)) }
    expectError(.configuration, "num_train_epochs: expected a number above 0, found nan") { try steps(.epochs(.nan)) }
    expectError(.configuration, "max_steps: expected a number of at least 1, found 0") { try steps(.steps(0)) }
    expectError(.configuration, "global_batch_size: expected a number of at least 1, found 0") {
      try EpochPlan(rowCount: 10, globalBatchSize: 0, seed: 0, length: .steps(1))
    }
  }
}

@Suite struct DivisionTests {
  @Test func balancesTokens() {
    // 9 and 9 go to either rank, 5 to the first, then both 4 to the second.
    #expect(Division.divide([10, 11, 12, 13, 14], costs: [5, 9, 4, 4, 9], ranks: 2) == [[10, 11], [12, 13, 14]])
    #expect(Division.divide([3, 1], costs: [2, 2], ranks: 4) == [[3], [1], [], []])
    #expect(Division.divide([], costs: [], ranks: 2) == [[], []])
  }

  @Test(arguments: 1...5) func losesNoRowAndStaysNearTheMean(ranks: Int) {
    let rows = Array(0..<64)
    let costs = rows.map { 50 + ($0 * 7919) % 461 }
    let shares = Division.divide(rows, costs: costs, ranks: ranks)
    #expect(shares.count == ranks)
    #expect(shares.flatMap { $0 }.sorted() == rows)
    #expect(shares.allSatisfy { $0 == $0.sorted() })
    let loads = shares.map { $0.reduce(0) { $0 + costs[$1] } }
    // Dearest first never differs by more than the dearest row.
    #expect(loads.max()! - loads.min()! <= costs.max()!)
  }

  @Test func packsConsecutiveRows() {
    #expect(Division.microBatches([4, 2, 9, 7], costs: [5, 5, 11, 1], maxTokens: 10) == [[4, 2], [9], [7]])
    #expect(Division.microBatches([4], costs: [11], maxTokens: 10) == [[4]])
    #expect(Division.microBatches([], costs: [], maxTokens: 10) == [])
  }
}
