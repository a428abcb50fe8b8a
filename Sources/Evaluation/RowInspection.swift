import Compute
import Configuration
import ModelFiles
import Objectives
import OrderedJSON
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
  private let environment: [String: String]
  private let source: ModelSource
  /// The model that token rewards are of.
  private let scoring: ModelSource
  private let tokenizer: Tokenizer
  private let pairTokenizer: PairTokenizer

  private var skipsBadRows: Bool { configuration.badRows == .skip }

  /// - Parameter configuration: `model` (and `reference`, whose rewards are shown when it is given), `data`, `rewards`,
  ///   `treg_alpha`, `treg_template`, and the keys about rows.
  package init(_ configuration: RunConfiguration, environment: [String: String]) throws {
    self.configuration = configuration
    self.environment = environment
    threads = configuration.threadCount(environment: environment)
    source = try ModelSource.open(configuration.model, environment: environment)
    scoring = try configuration.reference.map { try ModelSource.open($0, environment: environment) } ?? source
    tokenizer = try source.tokenizer()
    pairTokenizer = try source.pairTokenizer(tokenizer, limits: configuration.lengthLimits(for: source.model))
  }

  /// Counts and lengths of all rows. Bad rows are counted, whatever `bad_rows` says.
  package func summary() throws -> FileSummary {
    let data = try read(with: pairTokenizer, skippingBadRows: true)
    var whole = data.pairs
    if data.pairs.allCounts.contains(where: { !$0.truncation.isEmpty }) || data.tokens.skipped.count > 0 {
      // How long the rows are that were cut, or had no room.
      whole = try read(with: source.pairTokenizer(tokenizer, limits: LengthLimits()), skippingBadRows: true).pairs
    }
    return FileSummary(data, uncut: whole, maxLength: configuration.maxLength, context: source.model.maximumLength)
  }

  /// One row with its token rewards: those of the folder `rewards`, else made for this row by the model, unless
  /// `treg_alpha` is 0.
  ///
  /// - Parameters:
  ///   - number: position over all files, from 0.
  ///   - showingIds: a line for each token, with its id.
  /// - Throws: usage (64) when there is no such row, 65 when it cannot be used, and what reading and scoring throw.
  package func row(_ number: Int, terminal: Terminal, showingIds: Bool = false) throws -> String {
    let alpha = configuration.tregAlpha ?? ObjectiveOptions.defaultTregAlpha
    let isWeighted = [["dpo"], ["simpo"]].contains(configuration.lossType) && alpha > 0
    let view = RowView(
      tokens: try tokens(ofRow: number), terminal: terminal, alpha: isWeighted ? alpha : nil)
    return showingIds ? view.table : view.text
  }

  /// One row as a JSON object: ids, texts, parts, log-probs and rewards.
  package func json(ofRow number: Int) throws -> JSONValue { try tokens(ofRow: number).json }

  private func tokens(ofRow number: Int) throws -> RowTokens {
    let found = try configuration.rewards == nil ? scoredNow(number) : scoredBefore(number)
    return RowTokens(found.pair, scores: found.scores, tokenizer: tokenizer)
  }

  private func scoredNow(_ number: Int) throws -> (pair: TokenizedPair, scores: RowScores?) {
    let paths = try DataFiles(split: configuration.dataSplit, environment: environment).find(configuration.data)
    let found = try PreferenceFile.row(number, in: paths)
    guard let row = found.row else { throw Self.absent(number, readCount: found.count) }
    let pair = try pairTokenizer.tokenize(row)
    guard configuration.tregAlpha != 0 else { return (pair, nil) }
    let scorer = try Scorer(
      model: Transformer(
        loading: scoring, weights: configuration.weightType(of: scoring), workers: Workers(threads: threads)),
      rewards: configuration.tokenRewardSource(), tokenizer: pairTokenizer, microBatchTokens: 0)
    return (pair, try scorer.score(pair))
  }

  private func scoredBefore(_ number: Int) throws -> (pair: TokenizedPair, scores: RowScores?) {
    let data = try read(with: pairTokenizer, skippingBadRows: skipsBadRows)
    guard let index = data.pairs.index(ofRow: number) else {
      throw Self.absent(number, readCount: data.tokens.readCount)
    }
    let source = try configuration.tokenRewardSource()
    let identity = ScoreIdentity(
      modelHash: try scoring.contentHash, dataHash: data.tokens.contentHash, rowCount: data.pairs.count,
      template: source.template, rewardModelHash: source.modelHash, weights: configuration.weightType(of: scoring),
      maxLength: configuration.maxLength, maxPromptLength: configuration.maxPromptLength)
    let rows = try ScoreFolder(configuration.rewards!, identity: identity).rows(in: index..<index + 1)
    return (try data.pairs.pair(at: index), rows[0])
  }

  private func read(with tokenizer: PairTokenizer, skippingBadRows: Bool) throws -> RunTokens {
    try RunTokens.read(
      configuration.data, split: configuration.dataSplit, tokenizer: tokenizer, skippingBadRows: skippingBadRows,
      threads: threads, environment: environment, note: { Console.note($0) })
  }

  private static func absent(_ number: Int, readCount: Int) -> TregError {
    (0..<readCount).contains(number)
      ? .badData(at: "row \(number)", "it cannot be used and was left out; bad_rows: error tells why")
      : .usage("--row \(number): no such row; the data has rows 0 to \(readCount - 1)")
  }
}
