import Collectives
import Compute
import Configuration
import Evaluation
import ModelFiles
import OrderedJSON
import PreferenceData
import Reporting
import RunFolder
import Scoring
import Tokenization
import Transformer
import Watch

/// Makes token rewards as a job of its own: one shard of a set, or, under MPI, one shard per rank.
package struct RewardJob {
  private let configuration: RunConfiguration
  private let part: (index: Int, count: Int)
  private let communicator: Communicator
  private let threads: Int
  private let environment: [String: String]
  private let stop: StopRequest

  /// - Parameters:
  ///   - shard: the shard to make; nil makes all rows, divided over the ranks.
  ///   - stop: ends the work between two passes of the model; what is scored by then is kept.
  package init(
    _ configuration: RunConfiguration, shard: (Int, Int)?, communicator: Communicator, environment: [String: String],
    stop: StopRequest = StopRequest()
  ) throws {
    if shard != nil, communicator.size > 1 {
      throw TregError(
        .usage, "--shard is for jobs without MPI; \(communicator.size) ranks divide the rows themselves",
        isOnAllRanks: true)
    }
    self.configuration = configuration
    self.communicator = communicator
    self.environment = environment
    self.stop = stop
    part = shard ?? (communicator.rank, communicator.size)
    threads = configuration.threadCount(environment: environment)
  }

  /// Collective: makes the shard unless it is finished, and prints the signal's strength.
  ///
  /// - Parameters:
  ///   - writingRecords: also writes one JSON object per response beside the shard.
  ///   - overwriting: makes the job's own shards anew, be they finished or stale, in place of a set with another number of shards.
  package func run(writingRecords: Bool, overwriting: Bool) throws {
    let stopwatch = Stopwatch()
    if communicator.size > 1 {
      let name = try communicator.runName()
      try communicator.agree { try Watchdog.gather(in: configuration.out, run: name) }
    }
    var made = try communicator.agree { try make(writingRecords: writingRecords, overwriting: overwriting) }
    var signal = made.signal
    try signal.combine(communicator)
    var sums = [made.rowCount, made.keptCount, made.tokenCount, made.cutPromptCount, made.wasFinished ? 1 : 0]
      .map { Int64($0) }
    try communicator.sum(&sums)
    (made.rowCount, made.keptCount) = (Int(sums[0]), Int(sums[1]))
    guard communicator.rank == 0 else { return }
    if sums[4] > 0 {
      Console.note("\(sums[4]) of \(communicator.size == 1 ? 1 : communicator.size) shards were finished already")
    }
    Console.note(
      "\(made.rowsText), \(sums[2]) tokens in \(NumberFormat.fixed(stopwatch.seconds, decimals: 1)) s; contrastive prompts cut: \(sums[3])"
    )
    Console.print(signal.summary)
    Console.print(configuration.out)
  }

  /// What the job's scores are made from.
  private struct Inputs {
    let source: ModelSource
    let tokenizer: Tokenizer
    let pairTokenizer: PairTokenizer
    let rewards: TokenRewardSource
    let data: RunTokens
    let folder: ScoreFolder
  }

  private func readInputs(speaks: Bool) throws -> Inputs {
    let source = try ModelSource.open(configuration.model)
    let tokenizer = try source.tokenizer()
    let limits = try LengthLimits(maxLength: configuration.maxLength, maxPromptLength: configuration.maxPromptLength)
    let pairTokenizer = try source.pairTokenizer(tokenizer, limits: limits)
    let rewards = try configuration.tokenRewardSource()
    try rewards.check(against: source)
    let data = try RunTokens.read(
      configuration.data, split: configuration.dataSplit, tokenizer: pairTokenizer,
      skippingBadRows: configuration.badRows == .skip, threads: threads, environment: environment,
      note: speaks ? { Console.note($0) } : nil)
    let identity = ScoreIdentity(
      modelHash: try source.contentHash, dataHash: data.tokens.contentHash, rowCount: data.pairs.count,
      template: rewards.template, rewardModelHash: rewards.modelHash, weights: configuration.weightType(of: source),
      maxLength: configuration.maxLength, maxPromptLength: configuration.maxPromptLength)
    return Inputs(
      source: source, tokenizer: tokenizer, pairTokenizer: pairTokenizer, rewards: rewards, data: data,
      folder: ScoreFolder(configuration.out, identity: identity))
  }

  /// Prints, as one JSON object, which shards of a set are still to be made; a whole set gets its manifest. Made by one
  /// process before and after jobs that make the shards.
  ///
  /// - Parameter replacing: removes all shards first.
  /// - Throws: 65 when a finished shard is stale or damaged, 73 when a set with another number of shards is there.
  package func survey(shards: Int, replacing: Bool) throws {
    let inputs = try readInputs(speaks: false)
    let folder = inputs.folder
    try folder.prepare(shards: shards, replacing: replacing)
    try FileSystem.removeLeftovers(in: configuration.out)
    if replacing { for shard in 0..<shards { try folder.remove(shard: shard, of: shards) } }
    let missing = try folder.missing(of: shards)
    let report: JSONValue = [
      "shards": .integer(shards), "rows": .integer(inputs.data.pairs.count),
      "missing": .array(missing.map { .integer($0) }),
    ]
    Console.print(report.text())
  }

  private func make(writingRecords: Bool, overwriting: Bool) throws -> ScoreMaker.Summary {
    let speaks = communicator.rank == 0
    let inputs = try readInputs(speaks: speaks)
    let (source, tokenizer, pairTokenizer) = (inputs.source, inputs.tokenizer, inputs.pairTokenizer)
    let (rewards, data, folder) = (inputs.rewards, inputs.data, inputs.folder)
    try folder.prepare(shards: part.count, replacing: overwriting)
    if overwriting { try folder.remove(shard: part.index, of: part.count) }
    let maker = ScoreMaker(folder: folder, pairs: data.pairs)
    stop.beginWork()
    let total = maker.rows(shard: part.index, of: part.count).count
    if speaks { Console.note("data: \(data.summary); shard \(part.index)/\(part.count) has \(total) rows") }
    var progress = Progress("rewards", total: max(total, 1), isSpeaking: speaks)
    defer { progress.finish() }
    func scorer() throws -> Scorer {
      try Scorer(
        model: Transformer(
          loading: source, weights: configuration.weightType(of: source), workers: Workers(threads: threads)),
        rewards: rewards, tokenizer: pairTokenizer, microBatchTokens: configuration.microBatchTokenCount)
    }
    func made(_ records: ((TokenizedPair, RowScores, Scorer) throws -> Void)?) throws -> ScoreMaker.Summary {
      try maker.shard(part.index, of: part.count, scorer: scorer, records: records) {
        progress.start(at: $0)
      } progress: {
        if let reason = stop.reason {
          throw TregError(reason.exitCode, "stopped; the same command goes on with the rows scored so far")
        }
        progress.update($0, isLogged: $0 % 32 == 0 || $0 == total)
      }.summary
    }
    guard writingRecords else { return try made(nil) }
    return try AtomicFile.write(to: folder.records(shard: part.index, of: part.count)) { file in
      var lines: [String] = []
      let summary = try made { pair, scores, scorer in
        lines += ScoreRecord.lines(
          pair: pair, scores: scores, prompts: try scorer.prompts(of: pair), tokenizer: tokenizer
        ).map { $0.text() }
      }
      for line in lines { try file.write(line + "\n") }
      return summary
    }
  }
}
