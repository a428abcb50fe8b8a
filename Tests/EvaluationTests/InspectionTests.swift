import Configuration
import Evaluation
import ModelFiles
import PreferenceData
import Reporting
import RunFolder
import Scoring
import Testing

@Suite struct InspectionTests {
  private func inspection(_ configuration: RunConfiguration) throws -> RowInspection {
    try RowInspection(configuration, environment: [:])
  }

  @Test func showsPromptResponsesAndRewards() throws {
    let bench = try Bench()
    let text = try inspection(bench.configuration()).row(1, palette: .none)
    #expect(text.hasPrefix("row 1  \(bench.data):2\n"))
    #expect(text.contains("<|im_start|>user⏎\nSay 7 in letters.<|im_end|>"))
    #expect(text.contains("\nchosen: "))
    #expect(text.contains("\nrejected: 2 tokens scored"))
    #expect(text.contains("truncated: nothing"))
    #expect(!text.contains("\u{1B}"))
  }

  /// Scores as if the model found the first token of every chosen response good and of every rejected one bad.
  private func writeRewards(_ bench: Bench) throws {
    let source = try ModelSource.open(bench.model)
    let tokenizer = try source.pairTokenizer(source.tokenizer(), limits: LengthLimits(maxLength: 100))
    let data = try RunTokens.read([bench.data], tokenizer: tokenizer, skippingBadRows: false, threads: 1)
    func scores(_ count: Int, _ first: Float) -> ResponseScores {
      let rest = [Float](repeating: -1, count: count - 1)
      return ResponseScores(reference: [-1] + rest, better: [first] + rest, worse: [-1] + rest)
    }
    let rows = data.pairs.map {
      RowScores(
        row: $0.row, chosen: scores($0.chosen.scoredCount, 0), rejected: scores($0.rejected.scoredCount, -3))
    }
    let identity = ScoreIdentity(
      modelHash: try source.contentHash, dataHash: data.tokens.contentHash, rowCount: rows.count,
      template: try ContrastiveTemplate.find("turn"), maxLength: 100, maxPromptLength: nil)
    try ScoreFolder(bench.file("rewards"), identity: identity).write(ScoreShard(shard: 0, shards: 1, rows: rows))
  }

  @Test func finishedRewardsShowAsNumbersOrColours() throws {
    let bench = try Bench()
    try writeRewards(bench)
    let inspection = try inspection(bench.configuration("--rewards", bench.file("rewards")))
    // σ(1) − ½ and σ(−2) − ½.
    let text = try inspection.row(1, palette: .none)
    #expect(text.contains("\ns[+0.23]"))
    #expect(text.contains("\n7[-0.38]<|im_end|>"))
    #expect(text.contains("mean log π_ref -1.000"))
    let coloured = try inspection.row(1, palette: .full)
    #expect(coloured.contains("\u{1B}[48;2;178;24;43;97m7\u{1B}[0m<|im_end|>"))
    let stale = try self.inspection(bench.configuration("--rewards", bench.file("rewards"), "--max-length", "90"))
    #expect(userError { _ = try stale.row(1, palette: .none) }?.exitCode == .badData)
  }

  /// The tiny vocabulary has the emoji's bytes only.
  @Test func charactersOfSeveralTokensShowOnce() throws {
    let bench = try Bench()
    let text = try inspection(bench.configuration()).row(2, palette: .none)
    let response = text.split(separator: "chosen: ")[1].split(separator: "rejected: ")[0]
    #expect(response.count { $0 == "🙂" } == 1)
    #expect(response.contains("·"))
  }

  @Test func saysWhatWasCut() throws {
    let bench = try Bench()
    let text = try inspection(bench.configuration("--max-length", "40")).row(0, palette: .none)
    #expect(text.contains("truncated: rejected") || text.contains("truncated: chosen"))
  }

  @Test func rowsThatAreNotThere() throws {
    let bench = try Bench()
    let error = userError { _ = try inspection(bench.configuration()).row(3, palette: .none) }
    #expect(error?.exitCode == .usage)
    #expect(error?.description == "--row 3: no such row; the data has rows 0 to 2")
    #expect(userError { _ = try inspection(bench.configuration()).row(-1, palette: .none) }?.exitCode == .usage)
    try AtomicFile.write("{}\n" + FileSystem.readText(bench.data, maximumCount: 1 << 20), to: bench.data)
    let skipped = userError { _ = try inspection(bench.configuration("--bad-rows", "skip")).row(0, palette: .none) }
    #expect(skipped?.exitCode == .badData)
  }

  @Test func summaryCountsAllRows() throws {
    let bench = try Bench()
    let text = try inspection(bench.configuration()).summary()
    #expect(text.contains("3 rows read, 3 used"))
    #expect(text.contains("rows of length"))
    let classes = text.split(separator: "\n").drop { !$0.hasPrefix("rows of length") }.dropFirst().prefix {
      $0.contains(" to ")
    }
    let rejected = classes.compactMap { Int($0.split(separator: " ").last ?? "") }
    #expect(rejected.reduce(0, +) == 3)
  }
}
