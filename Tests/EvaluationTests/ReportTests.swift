import Configuration
import Evaluation
import Foundation
import ModelDescription
import ModelFiles
import Objectives
import OrderedJSON
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
    let findings = Dictionary(report.lines.map { ($0.name, $0.finding) }) { first, _ in first }
    #expect(findings["architecture"] == "LlamaForCausalLM")
    #expect(report.lines.contains { $0.finding.hasPrefix("2 layers of width 24") })
    #expect(findings["model"] == bench.model && report.lines[1].finding == "a Hugging Face folder")
    #expect(findings["parameters"]?.contains("stored as F32") == true)
    #expect(findings["tokenizer"]?.hasPrefix("byte-level BPE") == true)
    #expect(findings["chat template"]?.hasPrefix("present; ") == true)
    #expect(findings["special tokens"]?.contains("end <|im_end|>") == true)
    #expect(try report.verdict(availableBytes: nil) == "can be trained")
  }

  /// The formula of one rank, more ranks side by side, and what to do when one does not fit.
  @Test func memoryOfRanksAndRemedies() throws {
    let bench = try Bench()
    let configuration = try bench.configuration("--lora-r", "2")
    let report = try ModelReport(configuration, environment: [:])
    let model = try ModelSource.open(bench.model).model
    #expect(report.budget.text(availableBytes: nil).contains("on --weights bf16, each"))
    let tokens = configuration.microBatchTokenCount
    func together(_ ranks: Int) -> Int {
      let process = MemoryFormula.Workload.processBytes(ranks: ranks)
      return ranks
        * MemoryFormula(
          model, .init(tokens: tokens, scoredTokens: tokens, shards: ranks, threads: 1, processBytes: process)
        ).totalBytes
    }
    let one = together(1)
    let text = report.budget.text(availableBytes: together(2))
    #expect(text.contains("gradients") && text.contains("low-rank adapters (r 2), each"))
    let all = try #require(text.split(separator: "\n").first { $0.contains("all on this machine") })
    // Four ranks and more are too many.
    #expect(all.count { $0 == "!" } == 2 && text.contains("! is more than the"))
    #expect(try report.verdict(availableBytes: one).hasPrefix("can be trained here"))
    let refusal = userError { _ = try report.verdict(availableBytes: one - 1) }
    #expect(refusal?.exitCode == .configuration)
    #expect(refusal?.message.contains("--micro-batch-tokens 384") == true)
    #expect(refusal?.message.contains("--use-peft true") == true)
    let hopeless = userError { _ = try report.verdict(availableBytes: 1000) }
    #expect(hopeless?.message.contains("more memory is needed") == true)
  }

  @Test func theModelOfTokenRewardsIsCounted() throws {
    let bench = try Bench()
    let low = ["--lora-r", "2", "--use-peft", "true", "--weights", "bf16", "--micro-batch-tokens", "16"]
    func text(_ more: String...) throws -> String {
      let configuration = try RunConfiguration.parse(
        file: nil, flags: ["--model", bench.model, "--threads", "1"] + low + more, requiring: ["model"]
      ).configuration
      return try ModelReport(configuration, environment: [:]).budget.text(availableBytes: nil)
    }
    let elements = try ModelSource.open(bench.model).model.bufferCount
    let dpo = ["--treg-rewards", "dpo", "--treg-reward-model", bench.model]
    #expect(try text(dpo[0], dpo[1], dpo[2], dpo[3]).contains("= 4 · \(elements) beside the reference"))
    #expect(try !text().contains("reward model"))
    #expect(
      try !text("--rewards", bench.path, dpo[0], dpo[1], dpo[2], dpo[3]).contains("reward model"), "they are finished")
  }

  /// A template whose turns end with something else than the end token, and which has no place for a system turn.
  @Test func surprisesAreTold() throws {
    let bench = try Bench()
    let template =
      "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}{% for m in messages %}{{ m.role + ':' + m.content + ' ' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
    try AtomicFile.write(template, to: FileSystem.join(bench.model, "chat_template.jinja"))
    let lines = try ModelReport(bench.configuration("--max-length", "100000"), environment: [:]).lines
    let notes = lines.filter { $0.name == "note" }.map(\.finding)
    #expect(notes.contains { $0.contains("nothing teaches the model where to stop") })
    #expect(notes.contains { $0.contains("passes the context") })
    #expect(lines.contains { $0.name == "chat template" && $0.finding.hasSuffix("it takes no system turn") })
  }

  @Test func architecturesInWords() throws {
    let golden = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../TransformerTests/Golden/architectures").standardizedFileURL.path
    func traits(_ name: String) throws -> String {
      let text = try FileSystem.readText(golden + "/\(name)/config.json", maximumCount: 1 << 20)
      let model = try ModelDescription(configuration: JSONValue(parsing: text), place: name)
      return model.traits.joined(separator: "; ")
    }
    #expect(try traits("llama-dynamic").hasPrefix("RoPE θ 100, dynamic NTK ×3 from 16"))
    #expect(try traits("mistral").contains("window of 5 tokens;"))
    #expect(try traits("qwen2").contains("window of 6 tokens in 1 of 2 layers; biases on q, k, v;"))
    #expect(try traits("smollm3").contains("none in 1 of 2 layers"))
    #expect(try traits("gemma2").contains("scores capped at 2; logits capped at 3"))
    #expect(try traits("phi4-mini").contains("longrope from 16 on 4 of 8"))
    #expect(try traits("olmo2").contains("norms after attention and MLP"))
    #expect(try traits("gpt2").hasPrefix("learned positions; LayerNorm; biases on q, k, v, o, MLP"))
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
