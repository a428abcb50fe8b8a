import Collectives
import Compute
import Foundation
import ModelDescription
import OrderedJSON
import RunFolder
import Testing
import Training

/// Checkpoints of one layout of ranks, read by another.
@Suite struct StateDivisionTests {
  private static func trained() throws -> TrainedParameters {
    let path = GoldenTrainingTests.folder + "/tied"
    return TrainedParameters(
      try ModelDescription(configuration: JSONValue(parsing: FileSystem.readBytes(path + "/config.json")), place: path))
  }

  private static func state(_ division: StateDivision, ranks: Int) -> RunState {
    RunState(
      step: 3, totalSteps: 10, tokenCount: 7, ranks: ranks, threads: 1, division: division, dataHash: "d",
      modelHash: "m", scoreHash: nil, arithmetic: nil, configuration: "seed: 1\n")
  }

  /// Moments that tell where they belong.
  private static func optimizer(_ ranges: [Range<Int>], filled: Bool) throws -> AdamW {
    let optimizer = AdamW(try trained(), ranges: ranges, options: AdamW.Options(), workers: Workers(threads: 1))
    optimizer.step = 3
    guard filled else { return optimizer }
    for (place, element) in ranges.joined().enumerated() {
      optimizer.mean.pointer[place] = Float(element)
      optimizer.square.pointer[place] = -Float(element)
    }
    return optimizer
  }

  @Test(arguments: ["buckets", "other buckets", "whole", "version 1"], [1, 2, 3])
  func anyLayoutIsReadByAnyOther(saved: String, ranks: Int) throws {
    let count = try Self.trained().bufferCount
    let savedRanks = 3
    let division: StateDivision =
      switch saved {
      case "buckets": .buckets(BucketLayout(count: count, ranks: savedRanks, cuts: [count / 32 * 16], length: 512))
      case "other buckets": .buckets(BucketLayout(count: count, ranks: savedRanks, length: 208))
      case "whole": .whole(count: count)
      default: .shards(ShardLayout(count: count, ranks: savedRanks).shards)
      }
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("treg-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func file(_ rank: Int) -> String { folder + "/" + OptimizerFile.name(rank: rank, of: savedRanks) }
    for rank in 0..<savedRanks {
      try OptimizerFile.write(Self.optimizer(division.ranges(of: rank), filled: true), to: file(rank))
    }
    let state = Self.state(division, ranks: savedRanks)
    let layout = BucketLayout(count: count, ranks: ranks, cuts: [count / 32 * 16], length: 512)
    for rank in 0..<ranks {
      let ranges = layout.ranges(of: rank)
      let optimizer = try Self.optimizer(ranges, filled: false)
      let holders = state.holders(of: ranges, for: rank)
      if saved == "buckets", ranks == savedRanks { #expect(holders == [rank]) }
      if saved == "whole" { #expect(holders.count == 1) }
      for holder in holders {
        try OptimizerFile.read(file(holder), expected: division.ranges(of: holder), step: 3, into: optimizer)
      }
      #expect(optimizer.mean.all.elementsEqual(ranges.joined().map { Float($0) }))
      #expect(optimizer.square.all.elementsEqual(ranges.joined().map { -Float($0) }))
      // Of another layout, or another step.
      #expect(throws: TregError.self) {
        try OptimizerFile.read(file(holders[0]), expected: [0..<16], step: 3, into: optimizer)
      }
      #expect(throws: TregError.self) {
        try OptimizerFile.read(file(holders[0]), expected: division.ranges(of: holders[0]), step: 4, into: optimizer)
      }
    }
  }

  @Test func statesAreReadAsTheyWereWritten() throws {
    for state in [
      Self.state(.buckets(BucketLayout(count: 1_000, ranks: 2, cuts: [96], length: 256)), ranks: 2),
      Self.state(.whole(count: 1_000), ranks: 3),
    ] {
      #expect(try RunState(parsing: state.json.text(), place: "state.json") == state)
    }
    var guarded = Self.state(.whole(count: 10), ranks: 1)
    guarded.best = BestCheckpoint(step: 2, metric: "eval_loss", value: 0.25)
    guarded.guardState = ["version": 1, "seen": [1, 2.5, nil]]
    #expect(try RunState(parsing: guarded.json.text(), place: "state.json") == guarded)
    let old = #"""
      {"version": 1, "step": 3, "total_steps": 10, "num_tokens": 7, "ranks": 2, "threads": 1, "shards": [[0, 16], [16, 20]],
       "data_hash": "d", "model_hash": "m", "score_hash": null, "configuration": "seed: 1\n"}
      """#
    #expect(try RunState(parsing: old, place: "state.json") == Self.state(.shards([0..<16, 16..<20]), ranks: 2))
    for damage in [#""buckets": [300, 200]"#, #""buckets": [96]"#, #""buckets": ["x"]"#] {
      let text = Self.state(.whole(count: 1_000), ranks: 2).json.text().replacing(#""buckets": []"#, with: damage)
      #expect(throws: TregError.self, "\(text)") { try RunState(parsing: text, place: "state.json") }
    }
  }
}
