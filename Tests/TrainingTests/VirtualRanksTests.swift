import Collectives
import Compute
import ModelDescription
import OrderedJSON
import RunFolder
import Testing
import Training

@Suite struct VirtualRanksTests {
  /// Numbers of several magnitudes, so that the order of additions shows.
  private static func value(_ share: Int, _ index: Int) -> Float {
    let mixed = (share &* 7_919 &+ index &* 104_729 &+ 12_345) &* 2_654_435_761 >> 7 & 0xFFFF
    return Float(mixed - 32_768) * (mixed % 3 == 0 ? 1e-3 : mixed % 3 == 1 ? 1 : 37)
  }

  private static func treeSum(_ index: Int, _ shares: Range<Int>) -> Float {
    guard shares.count > 1 else { return value(shares.lowerBound, index) }
    let middle = shares.lowerBound + shares.count / 2
    return treeSum(index, shares.lowerBound..<middle) + treeSum(index, middle..<shares.upperBound)
  }

  @Test(arguments: [1, 2, 4, 8], [1, 3])
  func gradientsAreSummedAsATree(shares: Int, threads: Int) {
    let count = 300_000
    let tree = GradientTree(shares: shares, count: count, workers: Workers(threads: threads))
    let result = FloatBuffer(count: count)
    // The second time buffers hold what the first left.
    for _ in 0..<2 {
      var made: [Int] = []
      tree.sum(into: result, timeline: StepTimeline()) { share, buffer in
        made.append(share)
        for index in 0..<count { buffer.pointer[index] += Self.value(share, index) }
      }
      #expect(made == Array(0..<shares))
      #expect((0..<count).allSatisfy { result.pointer[$0] == Self.treeSum($0, 0..<shares) })
    }
    let inOrder = (0..<count).map { index in (0..<8).reduce(Float(0)) { $0 + Self.value($1, index) } }
    #expect(inOrder.indices.contains { inOrder[$0] != Self.treeSum($0, 0..<8) }, "the order shows")
  }

  @Test func aSoloProcessStandsForAllShares() throws {
    let virtual = try VirtualRanks(reproducible: 4, .solo())
    #expect(virtual.own == 0..<4)
    let shares = virtual.divide([5, 6, 7, 8, 9], costs: [1, 9, 1, 1, 1])
    #expect(shares.count == 4 && virtual.byRank(shares) == [shares.flatMap(\.self)])
    #expect(Set(shares.flatMap(\.self)) == [5, 6, 7, 8, 9])
    let numbers = [[0.1, 1], [0.2, 2], [0.3, 3], [0.4, 4]]
    #expect(try virtual.sum(numbers) == [(0.1 + 0.2) + (0.3 + 0.4), 10])
  }

  /// Every share's sum of squares is its own, whoever makes it and on however many threads.
  @Test func squaresAreSummedShareByShare() throws {
    let path = GoldenTrainingTests.folder + "/tied"
    let trained = TrainedParameters(
      try ModelDescription(configuration: JSONValue(parsing: FileSystem.readBytes(path + "/config.json")), place: path))
    let gradients = FloatBuffer(count: trained.bufferCount)
    for index in gradients.all.indices { gradients.pointer[index] = Self.value(0, index) }
    let layout = BucketLayout(count: trained.bufferCount, ranks: 1, shares: 8, cuts: [160], length: 1_000)
    let parts = (0..<8).map { layout.ranges(ofShare: $0) }
    let one = GradientNorm(trained, parts: parts, workers: Workers(threads: 1))
    let three = GradientNorm(trained, parts: parts, workers: Workers(threads: 3))
    let all = one.sums(of: gradients, shares: 0..<8)
    for size in [1, 2, 4] {
      let pieces = stride(from: 0, to: 8, by: size).flatMap { three.sums(of: gradients, shares: $0..<$0 + size) }
      #expect(pieces == all)
    }
    let truth = trained.parameters.flatMap(\.range).reduce(0.0) {
      $0 + Double(gradients.pointer[$1]) * Double(gradients.pointer[$1])
    }
    #expect(abs(all.reduce(0, +) / truth - 1) < 1e-12)
  }
}
