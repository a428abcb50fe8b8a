import LaunchPlan
import RunFolder
import Testing

/// Ranks of a reproducible run divide its virtual ranks: told before anything starts.
@Suite struct RankDivisionTests {
  @Test func asManyHostsAsDivide() {
    let eight = RankDivision(virtualRanks: 8)
    #expect([0, 1, 2, 3, 4, 7, 8, 9].map { eight.hosts(of: $0, ranksPerNode: 1) } == [0, 1, 2, 2, 4, 4, 8, 8])
    #expect(eight.hosts(of: 3, ranksPerNode: 4) == 2 && eight.hosts(of: 3, ranksPerNode: 3) == 0)
    #expect(RankDivision(virtualRanks: nil).hosts(of: 3, ranksPerNode: 5) == 3)
  }

  @Test(arguments: [
    (3, 1, "3 ranks (3 hosts × 1) cannot share 8 virtual_ranks evenly; 2 hosts would do (--nnodes 2)"),
    (5, 4, "20 ranks (5 hosts × 4) cannot share 8 virtual_ranks evenly; 2 hosts would do (--nnodes 2)"),
    (1, 3, "3 ranks cannot share 8 virtual_ranks evenly; --nproc-per-node 2 would do"),
    (3, 3, "9 ranks (3 hosts × 3) cannot share 8 virtual_ranks evenly; --nproc-per-node 2 with --nnodes 2 would do"),
  ])
  func whatDoesNotDivideIsOneLine(nodes: Int, ranksPerNode: Int, line: String) {
    #expect {
      try RankDivision(virtualRanks: 8).check(nodes: nodes, ranksPerNode: ranksPerNode)
    } throws: { error in
      (error as? TregError)?.exitCode == .configuration && "\(error)" == "reproducible: " + line
    }
  }

  @Test func onlyReproducibleTrainingIsHeldToIt() throws {
    let run = ["--model", "m", "--data", "d", "--out", "o"]
    let words = ["train"] + run + ["--reproducible", "true", "--virtual-ranks", "4"]
    #expect(try RankDivision(LaunchOptions(arguments: words)).virtualRanks == 4)
    #expect(try RankDivision(LaunchOptions(arguments: ["train"] + run)).virtualRanks == nil)
    #expect(try RankDivision(LaunchOptions(arguments: ["evaluate"] + words.dropFirst())).virtualRanks == nil)
    try RankDivision(virtualRanks: 8).check(nodes: 2, ranksPerNode: 4)
  }
}
