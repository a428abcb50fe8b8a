import Collectives
import Compute
import Configuration
import ModelFiles
import Objectives
import PreferenceData
import Reporting
import RunFolder
import Scoring
import Transformer

/// Evaluates a finished model on held-out pairs, against a reference if one is given; every rank has its share of rows.
///
/// One model is in memory at a time. Implicit rewards are DPO's, r(y) = β Σ_t [log π(y_t) − log π_ref(y_t)], whatever
/// the model was trained with. Ranks and threads change nothing about the figures, to the bit.
package struct EvaluationJob {
  private let configuration: RunConfiguration
  private let communicator: Communicator
  private let threads: Int
  private let environment: [String: String]
  private let objective: DPO

  /// - Parameter configuration: `model`, `reference` (nil: log-probs only), `data`, and the keys about rows and batches.
  package init(
    _ configuration: RunConfiguration, communicator: Communicator, environment: [String: String]
  ) throws {
    self.configuration = configuration
    self.communicator = communicator
    self.environment = environment
    threads = configuration.threadCount(environment: environment)
    objective = try DPO(options: ObjectiveOptions(beta: configuration.beta))
  }

  private struct Inputs {
    let source: ModelSource
    let reference: ModelSource?
    let data: RunTokens
  }

  private typealias LogProbs = (chosen: [Float], rejected: [Float])

  /// Collective.
  ///
  /// - Parameter recording: also makes a JSON object of every row.
  /// - Throws: what opening models and reading rows throw; 76 when ranks have different files; 79 when a log-prob is not
  ///   finite.
  package func run(recording: Bool) throws -> EvaluationReport {
    let inputs = try open()
    let pairs = inputs.data.pairs
    let division = Division.divide(Array(pairs.indices), costs: pairs.costs, ranks: communicator.size)
    let own = pairs.selecting(division[communicator.rank])

    let workers = Workers(threads: threads)
    var seconds = 0.0
    let policy = try pass(inputs.source, "model", own, workers, seconds: &seconds)
    let reference = try inputs.reference.map { try pass($0, "reference", own, workers, seconds: &seconds) }
    try communicator.maximum(&seconds)

    var metrics = PreferenceMetrics(hasTokenRewards: false, hasOutcomes: reference != nil)
    var single = Array(repeating: metrics, count: own.count)
    var lines: [String] = []
    try communicator.agree {
      for index in own.indices {
        let statistics = PairStatistics(
          chosen: ResponseStatistics(logProbs: policy[index].chosen, reference: reference?[index].chosen),
          rejected: ResponseStatistics(logProbs: policy[index].rejected, reference: reference?[index].rejected))
        let outcome = reference == nil ? nil : objective.evaluate(statistics).outcome
        single[index].add(statistics, outcome, tokens: own.counts(at: index).conversationTokens)
        if recording { lines.append(PairRecord.line(try own.pair(at: index), statistics, outcome).text()) }
      }
    }
    try metrics.add(single, at: division[communicator.rank], of: pairs.count, over: communicator)
    return EvaluationReport(
      model: configuration.model, reference: configuration.reference, rowCount: metrics.pairCount,
      tokenCount: metrics.tokenCount, seconds: seconds, metrics: line(metrics),
      records: recording ? try gather(lines, division: division, count: pairs.count) : [])
  }

  /// Collective.
  private func open() throws -> Inputs {
    let (inputs, hashes) = try communicator.agree { () -> (Inputs, [String]) in
      let source = try ModelSource.open(configuration.model)
      let reference = try configuration.reference.map { try ModelSource.open($0) }
      if let reference, reference.model.vocabularySize != source.model.vocabularySize {
        throw TregError.configuration(
          at: "reference",
          "its vocabulary has \(reference.model.vocabularySize) tokens, the model's \(source.model.vocabularySize)")
      }
      let limits = try configuration.lengthLimits(for: source.model)
      if let reference { _ = try configuration.lengthLimits(for: reference.model) }
      let tokenizer = try source.pairTokenizer(source.tokenizer(), limits: limits)
      let data = try RunTokens.read(
        configuration.data, split: configuration.dataSplit, tokenizer: tokenizer,
        skippingBadRows: configuration.badRows == .skip, threads: threads, environment: environment,
        note: communicator.rank == 0 ? { Console.note($0) } : nil)
      // Reads all weights; a solo process has nobody to differ from.
      let hashes =
        communicator.size == 1
        ? [] : [try source.contentHash, try reference?.contentHash ?? "none", data.tokens.contentHash]
      return (Inputs(source: source, reference: reference, data: data), hashes)
    }
    for (hash, what) in zip(hashes, ["the model", "the reference model", "the data"]) {
      try communicator.requireEqual(hash, what)
    }
    if communicator.rank == 0 { Console.note("data: \(inputs.data.summary)") }
    return inputs
  }

  /// Collective: log-probs of this rank's pairs by one model, which is gone afterwards.
  private func pass(
    _ source: ModelSource, _ label: String, _ pairs: PairList, _ workers: Workers, seconds: inout Double
  ) throws -> [LogProbs] {
    let (result, spent) = try communicator.agree { () -> ([LogProbs], Double) in
      let model = try Transformer(
        loading: source, weights: configuration.weightType(of: source), workers: workers)
      let stopwatch = Stopwatch()
      var progress = Progress(label, total: max(pairs.count, 1), isSpeaking: communicator.rank == 0)
      defer { progress.finish() }
      var result: [LogProbs] = []
      try model.forEachPair(of: pairs, microBatchTokens: configuration.microBatchTokenCount) {
        pair, chosen, rejected in
        guard chosen.allSatisfy(\.isFinite), rejected.allSatisfy(\.isFinite) else {
          throw TregError(
            .nonFinite, at: pair.source.place,
            "\(source.place) gives a log-probability that is not a finite number")
        }
        result.append((Array(chosen), Array(rejected)))
        progress.update(result.count, isLogged: result.count % 32 == 0 || result.count == pairs.count)
      }
      return (result, stopwatch.seconds)
    }
    seconds += spent
    return result
  }

  /// Means under the names of `metrics.jsonl`; a finished model has no step, and what it was trained to minimise is not
  /// known here.
  private func line(_ metrics: PreferenceMetrics) -> MetricsLine {
    var line = MetricsLine(step: 0, epoch: 0)
    metrics.fill(&line)
    for metric in [Metric.step, .epoch, .loss] { line[metric] = nil }
    return line
  }

  /// Collective: all ranks' lines in the order of the rows, on rank 0.
  private func gather(_ lines: [String], division: [[Int]], count: Int) throws -> [String] {
    let parcels = try communicator.allGather(bytes: Array(lines.joined(separator: "\n").utf8))
    guard communicator.rank == 0 else { return [] }
    var ordered = [String](repeating: "", count: count)
    for (rows, parcel) in zip(division, parcels) {
      for (row, line) in zip(rows, parcel.split(separator: UInt8(ascii: "\n"))) {
        ordered[row] = String(decoding: line, as: UTF8.self)
      }
    }
    return ordered
  }
}
