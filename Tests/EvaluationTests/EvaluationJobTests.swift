import Collectives
import Configuration
import Evaluation
import ModelFiles
import OrderedJSON
import Reporting
import RunFolder
import Testing

@Suite struct EvaluationJobTests {
  private func report(_ configuration: RunConfiguration, recording: Bool = true) throws -> EvaluationReport {
    try EvaluationJob(configuration, communicator: .solo(), environment: [:]).run(recording: recording)
  }

  @Test func figuresAreThoseOfTheRows() throws {
    let bench = try Bench()
    let report = try report(bench.configuration())
    #expect(report.rowCount == 3)
    let rows = try report.records.map { try JSONValue(parsing: Array($0.utf8)) }
    #expect(rows.map { $0["row"]?.integer } == [0, 1, 2])
    var wins = 0.0
    var sum = 0.0
    for row in rows {
      let chosen = (row["chosen_logprobs"]?.array ?? []).compactMap(\.double)
      let rejected = (row["rejected_logprobs"]?.array ?? []).compactMap(\.double)
      #expect(chosen.count == row["chosen_tokens"]?.array?.count)
      #expect(rejected.count == row["rejected_tokens"]?.array?.count)
      #expect(abs(chosen.reduce(0, +) - row["chosen_logps"]!.double!) < 1e-9)
      let means = (chosen.reduce(0, +) / Double(chosen.count), rejected.reduce(0, +) / Double(rejected.count))
      wins += means.0 > means.1 ? 1 : means.0 == means.1 ? 0.5 : 0
      sum += chosen.reduce(0, +)
    }
    #expect(abs(report.metrics[.logpsAccuracies]! - wins / 3) < 1e-12)
    #expect(abs(report.metrics[.logpsChosen]! - sum / 3) < 1e-9)
    #expect(report.metrics[.rewardsAccuracies] == nil)
    #expect(report.json["loss"] == nil)
    #expect(report.json["rows"] == 3)
    #expect(report.table.contains("logps/accuracies"))
  }

  @Test func aModelAgainstItselfHasNoRewards() throws {
    let bench = try Bench()
    let report = try report(bench.configuration("--reference", bench.model))
    #expect(report.metrics[.rewardsMargins] == 0)
    #expect(report.metrics[.rewardsChosen] == 0)
    // As TRL counts ties.
    #expect(report.metrics[.rewardsAccuracies] == 0)
    let row = try JSONValue(parsing: Array(report.records[1].utf8))
    #expect(row["reference_chosen_logprobs"] == row["chosen_logprobs"])
  }

  @Test func rewardsAreBetaTimesTheLogRatios() throws {
    let bench = try Bench()
    let rounded = bench.file("rounded")
    _ = try ModelConverter.convert(ModelSource.open(bench.model), to: rounded, type: .bfloat16)
    let report = try report(bench.configuration("--reference", rounded, "--beta", "0.5"))
    var margin = 0.0
    for record in report.records {
      let row = try JSONValue(parsing: Array(record.utf8))
      func number(_ key: String) -> Double { row[key]?.double ?? .nan }
      let chosen = 0.5 * (number("chosen_logps") - number("reference_chosen_logps"))
      let rejected = 0.5 * (number("rejected_logps") - number("reference_rejected_logps"))
      #expect(abs(number("rewards/chosen") - chosen) < 1e-9)
      #expect(abs(number("rewards/rejected") - rejected) < 1e-9)
      margin += (chosen - rejected) / 3
    }
    #expect(abs(report.metrics[.rewardsMargins]! - margin) < 1e-9)
    #expect(margin != 0)
  }

  /// fp32 sums of other shapes differ in their last bits only.
  @Test func packingDoesNotMatter() throws {
    let bench = try Bench()
    let whole = try report(bench.configuration())
    let single = try report(bench.configuration("--micro-batch-tokens", "1"))
    #expect(abs(whole.metrics[.logpsChosen]! - single.metrics[.logpsChosen]!) < 1e-4)
    #expect(whole.tokenCount == single.tokenCount)
  }

  @Test func refusesWhatDoesNotFit() throws {
    let bench = try Bench()
    let long = try bench.configuration("--max-length", "4000")
    #expect(userError { _ = try report(long) }?.exitCode == .configuration)
    let missing = try bench.configuration("--reference", bench.file("nothing"))
    #expect(userError { _ = try report(missing) }?.exitCode == .inputMissing)
  }
}
