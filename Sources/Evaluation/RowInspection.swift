import Compute
import Configuration
import ModelFiles
import PreferenceData
import Reporting
import RunFolder
import Scoring
import Tokenization
import Transformer

/// Shows rows as the trainer sees them: what is prompt, what is scored, what was cut, and what each scored token's reward is.
package struct RowInspection {
  private let configuration: RunConfiguration
  private let threads: Int
  /// The model that token rewards are of.
  private let scoring: ModelSource
  private let tokenizer: Tokenizer
  private let pairTokenizer: PairTokenizer

  private var skipsBadRows: Bool { configuration.badRows == .skip }

  /// - Parameter configuration: `model` (and `reference`, whose rewards are shown when it is given), `data`, `rewards`,
  ///   `treg_template`, and the keys about rows.
  package init(_ configuration: RunConfiguration, environment: [String: String]) throws {
    self.configuration = configuration
    threads = configuration.threadCount(environment: environment)
    let source = try ModelSource.open(configuration.model)
    scoring = try configuration.reference.map { try ModelSource.open($0) } ?? source
    tokenizer = try source.tokenizer()
    pairTokenizer = try source.pairTokenizer(tokenizer, limits: configuration.lengthLimits(for: source.model))
  }

  /// Counts and lengths of all rows.
  package func summary() throws -> String {
    let data = try readAll()
    return "\(data.summary)\n\n\(LengthSummary(data.pairs))"
  }

  /// One row with its token rewards: those of the folder `rewards`, else made for this row by the model.
  ///
  /// - Parameter number: position over all files, from 0.
  /// - Throws: usage (64) when there is no such row, 65 when it cannot be used, and what reading and scoring throw.
  package func row(_ number: Int, palette: Terminal.Palette) throws -> String {
    let found = try configuration.rewards == nil ? scoredNow(number) : scoredBefore(number)
    return RowView(pair: found.pair, scores: found.scores, tokenizer: tokenizer, palette: palette).text
  }

  private func readAll() throws -> RunTokens {
    try RunTokens.read(configuration.data, tokenizer: pairTokenizer, skippingBadRows: skipsBadRows, threads: threads)
  }

  private func scoredNow(_ number: Int) throws -> (pair: TokenizedPair, scores: RowScores) {
    let rows = try PreferenceFile.read(configuration.data, badRows: skipsBadRows ? .skip : .error)
    guard let row = rows.rows.first(where: { $0.row == number }) else {
      throw Self.absent(number, readCount: rows.readCount)
    }
    let pair = try pairTokenizer.tokenize(row)
    let scorer = try Scorer(
      model: Transformer(loading: scoring, workers: Workers(threads: threads)),
      rewards: configuration.tokenRewardSource(), tokenizer: pairTokenizer)
    return (pair, try scorer.score(pair))
  }

  private func scoredBefore(_ number: Int) throws -> (pair: TokenizedPair, scores: RowScores) {
    let data = try readAll()
    guard let index = data.pairs.firstIndex(where: { $0.row == number }) else {
      throw Self.absent(number, readCount: data.rows.readCount)
    }
    let source = try configuration.tokenRewardSource()
    let identity = ScoreIdentity(
      modelHash: try scoring.contentHash, dataHash: data.tokens.contentHash, rowCount: data.pairs.count,
      template: source.template, rewardModelHash: source.modelHash, maxLength: configuration.maxLength,
      maxPromptLength: configuration.maxPromptLength)
    let rows = try ScoreFolder(configuration.rewards!, identity: identity).rows(in: index..<index + 1)
    return (data.pairs[index], rows[0])
  }

  private static func absent(_ number: Int, readCount: Int) -> TregError {
    (0..<readCount).contains(number)
      ? .badData(at: "row \(number)", "it cannot be used and was left out; bad_rows: error tells why")
      : .usage("--row \(number): no such row; the data has rows 0 to \(readCount - 1)")
  }
}
