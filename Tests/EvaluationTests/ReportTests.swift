import Configuration
import Evaluation
import Objectives
import Reporting
import RunFolder
import Testing

@Suite struct ReportTests {
  @Test func theMachineHasCoresAndABLAS() throws {
    let report = try MachineReport(environment: [:])
    let findings = Dictionary(uniqueKeysWithValues: report.lines.map { ($0.name, $0.finding) })
    #expect(findings["BLAS"]?.contains("OpenBLAS") == true)
    #expect(findings["cores"]?.contains("allowed") == true)
    #expect(findings["Open MPI"] != nil && findings["MPICH"] != nil)
  }

  @Test func aBrokenShimIsSaidToBeBroken() throws {
    let bench = try Bench()
    let shim = bench.file("libcmpi-openmpi.so")
    try AtomicFile.write("not a library", to: shim)
    let report = try MachineReport(environment: ["TREG_CMPI": shim])
    let findings = Dictionary(uniqueKeysWithValues: report.lines.map { ($0.name, $0.finding) })
    #expect(findings["Open MPI"]?.contains("does not load") == true)
    #expect(findings["MPICH"]?.hasPrefix("no shim") == true)
  }

  @Test func aModelSaysWhatItTakes() throws {
    let bench = try Bench()
    let report = try ModelReport(bench.configuration(), environment: [:])
    let findings = Dictionary(uniqueKeysWithValues: report.lines.map { ($0.name, $0.finding) })
    #expect(findings["architecture"]?.hasPrefix("LlamaForCausalLM, 2 layers of width 24") == true)
    #expect(findings["chat template"] == "present")
    #expect(report.memory.contains("gradients"))
    try report.check(availableBytes: nil)
    #expect(userError { try report.check(availableBytes: 1000) }?.exitCode == .configuration)
  }

  @Test func aBrokenTemplateIsNotTrainable() throws {
    let bench = try Bench()
    try AtomicFile.write("{{ raise_exception('no') }}", to: FileSystem.join(bench.model, "chat_template.jinja"))
    #expect(userError { _ = try ModelReport(bench.configuration(), environment: [:]) }?.exitCode == .badData)
  }

  @Test func metricsWithoutOutcomesHaveLogProbsOnly() {
    var metrics = PreferenceMetrics(hasTokenRewards: false, hasOutcomes: false)
    let pair = PairStatistics(
      chosen: ResponseStatistics(logProbs: [-1, -2]), rejected: ResponseStatistics(logProbs: [-1.5]))
    metrics.add(pair, nil, tokens: 5)
    var line = MetricsLine(step: 0, epoch: 0)
    metrics.fill(&line)
    #expect(line[.logpsAccuracies] == 0.5)
    #expect(line[.logpsChosen] == -3)
    #expect(line[.loss] == nil && line[.rewardsMargins] == nil)
  }
}
