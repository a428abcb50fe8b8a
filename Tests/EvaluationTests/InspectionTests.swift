import Configuration
import Evaluation
import Reporting
import RunFolder
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
    #expect(text.contains("[+") || text.contains("[-"))
    let coloured = try inspection(bench.configuration()).row(1, palette: .cube)
    #expect(coloured.contains("\u{1B}[48;5;"))
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
