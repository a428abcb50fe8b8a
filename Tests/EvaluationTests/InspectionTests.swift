import Configuration
import Evaluation
import ModelFiles
import PreferenceData
import Reporting
import RunFolder
import Scoring
import Testing

@Suite struct InspectionTests {
  private static func terminal(_ palette: Terminal.Palette = .none, width: Int = 80) -> Terminal {
    let colours = ["TERM": "xterm", "COLORTERM": "truecolor"]
    return Terminal(isTerminal: palette != .none, width: width) { colours[$0] }
  }
  private static let plain = terminal()
  private static let coloured = terminal(.full)

  private func inspection(_ configuration: RunConfiguration) throws -> RowInspection {
    try RowInspection(configuration, environment: [:])
  }

  @Test func showsPromptResponsesAndRewards() throws {
    let bench = try Bench()
    let text = try inspection(bench.configuration()).row(1, terminal: Self.plain)
    #expect(text.hasPrefix("row 1  \(bench.data):2\n"))
    #expect(text.contains("<|im_start|>user⏎\nSay 7 in letters.<|im_end|>"))
    #expect(text.contains("\n── chosen ── "))
    #expect(text.contains("\n── rejected ── 2 tokens scored"))
    #expect(text.split(separator: "\n").filter { $0.hasPrefix("──") }.allSatisfy { $0.count == 80 })
    #expect(text.contains("truncated: nothing"))
    #expect(!text.contains("\u{1B}"))
  }

  /// Scores as if the model found the first token of every chosen response good and of every rejected one bad.
  private func writeRewards(_ bench: Bench) throws {
    let source = try ModelSource.open(bench.model)
    let tokenizer = try source.pairTokenizer(source.tokenizer(), limits: LengthLimits(maxLength: 100))
    let data = try RunTokens.read(
      [bench.data], tokenizer: tokenizer, skippingBadRows: false, threads: 1, environment: [:])
    func scores(_ count: Int, _ first: Float) -> ResponseScores {
      let rest = [Float](repeating: -1, count: count - 1)
      return ResponseScores(reference: [-1] + rest, better: [first] + rest, worse: [-1] + rest)
    }
    let rows = data.pairs.allCounts.map {
      RowScores(row: $0.row, chosen: scores($0.chosenScored, 0), rejected: scores($0.rejectedScored, -3))
    }
    let identity = ScoreIdentity(
      modelHash: try source.contentHash, dataHash: data.tokens.contentHash, rowCount: rows.count,
      template: try ContrastiveTemplate.find("turn"), weights: .float32, maxLength: 100, maxPromptLength: nil)
    try ScoreFolder(bench.file("rewards"), identity: identity).write(ScoreShard(shard: 0, shards: 1, rows: rows))
  }

  @Test func finishedRewardsShowAsNumbersOrColours() throws {
    let bench = try Bench()
    try writeRewards(bench)
    let inspection = try inspection(bench.configuration("--rewards", bench.file("rewards")))
    // σ(1) − ½ and σ(−2) − ½.
    let text = try inspection.row(1, terminal: Self.plain)
    #expect(text.contains("\ns[+0.23]"))
    #expect(text.contains("\n7[-0.38]<|im_end|>"))
    #expect(text.contains("log π_ref -1.000"))
    let coloured = try inspection.row(1, terminal: Self.coloured)
    #expect(coloured.contains("\u{1B}[1;48;2;178;24;43;97m7\u{1B}[0m\u{1B}[1m<|im_end|>\u{1B}[0m"))
    for (flag, value) in [("--max-length", "90"), ("--weights", "bf16")] {
      let stale = try self.inspection(bench.configuration("--rewards", bench.file("rewards"), flag, value))
      #expect(userError { _ = try stale.row(1, terminal: Self.plain) }?.exitCode == .badData)
    }
  }

  /// The tiny vocabulary has the emoji's bytes only.
  @Test func charactersOfSeveralTokensShowOnce() throws {
    let bench = try Bench()
    let text = try inspection(bench.configuration()).row(2, terminal: Self.plain)
    let response = text.split(separator: "chosen ── ")[1].split(separator: "rejected ── ")[0]
    #expect(response.count { $0 == "🙂" } == 1)
    #expect(response.contains("·"))
  }

  @Test func saysWhatWasCut() throws {
    let bench = try Bench()
    let text = try inspection(bench.configuration("--max-length", "40")).row(0, terminal: Self.plain)
    #expect(text.contains("truncated: rejected") || text.contains("truncated: chosen"))
  }

  @Test func rowsThatAreNotThere() throws {
    let bench = try Bench()
    let error = userError { _ = try inspection(bench.configuration()).row(3, terminal: Self.plain) }
    #expect(error?.exitCode == .usage)
    #expect(error?.description == "--row 3: no such row; the data has rows 0 to 2")
    #expect(userError { _ = try inspection(bench.configuration()).row(-1, terminal: Self.plain) }?.exitCode == .usage)
    try AtomicFile.write("{}\n" + FileSystem.readText(bench.data, maximumCount: 1 << 20), to: bench.data)
    let skipped = userError {
      _ = try inspection(bench.configuration("--bad-rows", "skip")).row(0, terminal: Self.plain)
    }
    #expect(skipped?.exitCode == .badData)
  }

  /// What the template wrote is dim, the prompt's own text as it is, what is scored bright.
  @Test func templateTextStandsBack() throws {
    let bench = try Bench()
    let text = try inspection(bench.configuration("--treg-alpha", "0")).row(1, terminal: Self.coloured)
    #expect(text.contains("\u{1B}[2m<|im_start|>\u{1B}[0m"))
    let prompt = text.split(separator: "── prompt ──")[1].split(separator: "── chosen ──")[0]
    // "Say 7 in letters." without a code inside.
    #expect(prompt.contains("Say 7 in letters.\u{1B}[2m<|im_end|>"))
    #expect(text.contains("\u{1B}[1m7\u{1B}[0m\u{1B}[1m<|im_end|>\u{1B}[0m"))
    // Nothing was scored for it.
    #expect(!text.contains("reward"))
  }

  @Test func idsLogProbsAndWeightsALineEach() throws {
    let bench = try Bench()
    try writeRewards(bench)
    let inspection = try inspection(bench.configuration("--rewards", bench.file("rewards"), "--treg-alpha", "0.5"))
    let lines = try inspection.row(1, terminal: Self.plain, showingIds: true).split(separator: "\n")
    let cells = lines.map { $0.split(separator: " ") }
    let json = try inspection.json(ofRow: 1)
    let count = try #require(json["prompt"]?["tokens"]?.array?.count)
    let first = try #require(json["rejected"]?["tokens"]?.array?.first?.integer)
    // 1 − α·r̂ of a rejected token with r̂ = σ(−2) − ½.
    #expect(cells.contains(["\(count)", "\(first)", "-1.000", "-0.381", "1.190", "7"]))
    #expect(cells.contains { $0.count == 6 && $0[3] == "+0.231" && $0[4] == "1.116" && $0[5] == "s" })
    #expect(json["rejected"]?["parts"]?.array?.allSatisfy { $0.string == "scored" } == true)
    #expect(json["rejected"]?["rewards"]?.array?.count == 2)
  }

  /// A row may hold whatever a terminal obeys: it is shown, never sent.
  @Test func controlCharactersStayInTheData() throws {
    let bench = try Bench()
    let evil = #"\u001b]0;gone\u0007\u001b[2J\u009b31m\u202e\r\u0000"#
    let row =
      #"{"prompt": [{"role": "user", "content": "Say \#(evil)"}], "chosen": [{"role": "assistant", "content": "a\#(evil)"}], "#
      + #""rejected": [{"role": "assistant", "content": "b"}]}"#
    try AtomicFile.write(row + "\n{\"prompt\": 7}\n", to: bench.data)
    let inspection = try inspection(bench.configuration("--bad-rows", "skip", "--max-length", "90"))
    let texts = [
      try inspection.row(0, terminal: Self.plain), try inspection.row(0, terminal: Self.plain, showingIds: true),
      try inspection.summary().text(width: 80),
    ]
    for text in texts {
      let wild = text.unicodeScalars.filter { $0 != "\n" && $0.properties.generalCategory == .control }
      #expect(wild.isEmpty && !text.contains("\u{202E}"))
    }
    #expect(texts[0].contains("<1B>"))
  }

  @Test func summaryCountsAllRows() throws {
    let bench = try Bench()
    let summary = try inspection(bench.configuration()).summary()
    let text = summary.text(width: 60)
    #expect(text.contains("3 read, 3 used, 0 refused"))
    #expect(text.contains("truncated  nothing (max_length 100)"))
    let charts = text.split(separator: "\n").filter { $0.contains("%") && $0.hasPrefix("  ") }
    #expect(charts.allSatisfy { $0.count <= 60 })
    let json = summary.json
    for name in ["prompt", "chosen", "rejected", "conversation"] {
      let classes = try #require(json["lengths"]?[name]?["histogram"]?.array)
      #expect(classes.reduce(0) { $0 + ($1["count"]?.integer ?? 0) } == 3)
    }
    #expect(json["rows_over_max_length"] == 0)
    // "7" is the only one shorter than its rejected response's counterpart.
    let longest = try #require(json["longest_conversation"]?.integer)
    #expect(json["lengths"]?["conversation"]?["max"] == .integer(longest))
    let first = try #require(inspection(bench.configuration()).json(ofRow: 0)["prompt"]?["tokens"]?.array?.count)
    #expect(json["lengths"]?["prompt"]?["max"]?.integer ?? 0 >= first)
  }

  /// What is cut and refused, by kind, and the length that would cut nothing.
  @Test func summaryAdvises() throws {
    let bench = try Bench()
    let whole = try inspection(bench.configuration()).summary().json
    let longest = try #require(whole["longest_conversation"]?.integer)
    try AtomicFile.write(
      FileSystem.readText(bench.data, maximumCount: 1 << 20) + "{\"prompt\": 7}\n{}\n[]\n", to: bench.data)
    let short = longest - 3
    // bad_rows: error does not stop a count.
    let summary = try inspection(bench.configuration("--max-length", "\(short)")).summary()
    let json = summary.json
    #expect(json["rows_read"] == 6 && json["rows_refused"] == 3 && json["rows_used"] == 3)
    #expect(json["refusals"]?.object?.values.reduce(0) { $0 + ($1.integer ?? 0) } == 3)
    #expect(json["longest_conversation"] == .integer(longest))
    #expect(json["truncated"]?["rows"]?.integer ?? 0 > 0)
    #expect(json["rows_over_max_length"]?.integer ?? 0 > 0)
    let text = summary.text(width: 80)
    let enough = (longest + 63) / 64 * 64
    #expect(text.contains("- max_length \(short) is passed by") && text.contains("\(enough) would cut none"))
    #expect(text.contains("- bad_rows: skip trains without the 3 refused rows"))
  }
}
