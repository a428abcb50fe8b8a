import Glibc
import OrderedJSON
import Reporting
import RunFolder
import Testing

@Suite struct MetricsTests {
  static func withFile(_ body: (String) throws -> Void) throws {
    var template = Array("/tmp/treg-tests-XXXXXX".utf8CString)
    let made = try #require(mkdtemp(&template))
    let folder = String(cString: made)
    defer { try? FileSystem.remove(folder) }
    try body(FileSystem.join(folder, "metrics.jsonl"))
  }

  static func write(steps: ClosedRange<Int>, to path: String, resumedStep: Int? = nil) throws {
    let writer = try MetricsWriter(path, resumedStep: resumedStep)
    for step in steps { try writer.append(MetricsLine(step: step, epoch: Double(step) / 10)) }
    try writer.flush()
  }

  @Test func namesAndOrderAreTheContract() {
    var line = MetricsLine(step: 3, epoch: 0.5)
    for metric in Metric.allCases where line[metric] == nil { line[metric] = 1 }
    #expect(
      line.json.object?.keys.joined(separator: " ")
        == "step epoch loss learning_rate grad_norm num_tokens rewards/chosen rewards/rejected rewards/accuracies "
        + "rewards/margins logps/chosen logps/rejected logps/chosen_per_token logps/accuracies nll_loss "
        + "log_odds_ratio log_odds_chosen wpo/weight kl/chosen kl/rejected treg/regularizer treg/weight treg/reward_chosen treg/reward_rejected guard/skipped perf/tokens_per_second perf/step_seconds "
        + "perf/peak_memory perf/mfu perf/imbalance perf/comm_exposed")
    #expect(line.json["step"] == .integer(3) && line.json["num_tokens"] == .integer(1))
  }

  @Test func heldOutPairsHaveTheirOwnNames() {
    var line = MetricsLine(step: 3, epoch: 0.5, isEvaluation: true)
    line[.loss] = .nan
    line[.rewardsChosen] = -0.25
    #expect(line.json.text() == #"{"step": 3, "epoch": 0.5, "eval_loss": null, "eval_rewards/chosen": -0.25}"#)
  }

  @Test func resumingCutsBack() throws {
    try Self.withFile { path in
      try Self.write(steps: 1...5, to: path)
      let unfinished = try AppendingFile(path)
      try unfinished.append("{\"step\": 3, \"lo")
      try Self.write(steps: 4...6, to: path, resumedStep: 3)
      let steps = try FileSystem.readText(path).split(separator: "\n").map {
        try JSONValue(parsing: String($0))["step"]
      }
      #expect(steps == (1...6).map { .integer($0) })
    }
  }

  @Test func appendingKeepsWhatIsThere() throws {
    try Self.withFile { path in
      try Self.write(steps: 1...2, to: path)
      try Self.write(steps: 3...3, to: path)
      #expect(try FileSystem.readText(path).split(separator: "\n").count == 3)
    }
  }

  @Test func failuresAreOneLine() {
    #expect(Console.line(of: TregError.badData(at: "a:1", "x\ny")) == "a:1: x y")
    struct Surprise: Error {}
    #expect(Console.line(of: Surprise()) == "internal error: Surprise()")
  }
}
