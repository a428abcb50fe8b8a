import Foundation
import Testing

/// A mistake of a user's, and what has to come of it.
struct Mistake: CustomTestStringConvertible, Sendable {
  let name: String
  let exitCode: Int32
  /// Words of the one line on standard error.
  let says: [String]
  /// Makes broken files in a folder and returns the flags that name them.
  let flags: @Sendable (Scratch) throws -> [String]

  init(_ name: String, _ exitCode: Int32, _ says: String..., flags: @escaping @Sendable (Scratch) throws -> [String]) {
    self.name = name
    self.exitCode = exitCode
    self.says = says
    self.flags = flags
  }

  var testDescription: String { name }
}

extension Mistake {
  /// A copy of the model with one file's text changed.
  private static func edited(_ scratch: Scratch, _ file: String, _ old: String, _ new: String) throws -> [String] {
    let model = try scratch.copyOfModel()
    let text = try scratch.text("model/" + file)
    precondition(text.contains(old), "no \(old) in \(file)")
    try scratch.write(text.replacing(old, with: new), to: "model/" + file)
    return ["--model", model]
  }

  private static func weights(_ scratch: Scratch, _ make: (String) throws -> [UInt8]) throws -> [String] {
    let model = try scratch.copyOfModel()
    try scratch.write(make(model), to: "model/model.safetensors")
    return ["--model", model]
  }

  /// The pairs with a bad row after the second.
  private static func row(_ scratch: Scratch, _ row: some Sequence<UInt8>) throws -> [String] {
    let rows = try Tiny.rows()
    let text = Array((rows[0] + "\n" + rows[1] + "\n").utf8) + Array(row) + Array(("\n" + rows[2] + "\n").utf8)
    return ["--data", try scratch.write(text, to: "rows.jsonl")]
  }

  private static func row(_ scratch: Scratch, _ text: String) throws -> [String] { try row(scratch, text.utf8) }

  static let ofModels = [
    Mistake("missing model", 66, "/no/such/model: no such folder or file") { _ in ["--model", "/no/such/model"] },
    Mistake("folder without config.json", 66, "model: holds no config.json") {
      let model = try $0.copyOfModel()
      try FileManager.default.removeItem(atPath: model + "/config.json")
      return ["--model", model]
    },
    Mistake("missing weights", 66, "model") {
      let model = try $0.copyOfModel()
      try FileManager.default.removeItem(atPath: model + "/model.safetensors")
      return ["--model", model]
    },
    Mistake("truncated weights", 65, "model.safetensors") {
      try weights($0) {
        Array([UInt8](try Data(contentsOf: URL(fileURLWithPath: $0 + "/model.safetensors"))).dropLast(100))
      }
    },
    Mistake("empty weights", 65, "model.safetensors") { try weights($0) { _ in [] } },
    Mistake("wrong shape", 65, "model.layers.0.mlp.down_proj.weight", "[32, 64]") {
      try weights($0) {
        try Tensors.relabelled(in: $0, #""dtype":"F32","shape":[32,64]"#, #""dtype":"F32","shape":[64,32]"#)
      }
    },
    Mistake("missing tensor", 65, "model.layers.0.mlp.down_proj.weight") {
      try weights($0) {
        try Tensors.relabelled(in: $0, "model.layers.0.mlp.down_proj.weight", "model.layers.0.mlp.other.weight")
      }
    },
    Mistake("unknown dtype", 65, "model.safetensors", "F31") {
      try weights($0) {
        try Tensors.relabelled(in: $0, #""dtype":"F32","shape":[384,32]"#, #""dtype":"F31","shape":[384,32]"#)
      }
    },
    Mistake("NaN in the weights", 65, "model: tensor model.embed_tokens.weight") {
      try weights($0) { try Tensors.changed(in: $0) { $0[123] = .nan } }
    },
    Mistake("unknown architecture", 65, "config.json", "MambaForCausalLM") {
      try edited($0, "config.json", #""LlamaForCausalLM""#, #""MambaForCausalLM""#)
    },
    Mistake("broken config.json", 65, "config.json: not valid JSON: line 3, column 5") {
      try edited($0, "config.json", "[\n    \"Llama", "[\n    Llama")
    },
    Mistake("sizes that do not fit", 65, "config.json", "num_attention_heads") {
      try edited($0, "config.json", #""num_attention_heads": 4"#, #""num_attention_heads": 0"#)
    },
    Mistake("broken tokenizer.json", 65, "tokenizer.json") {
      try edited($0, "tokenizer.json", #""model": {"#, #""model": ["#)
    },
    Mistake("unknown tokenizer", 65, "tokenizer.json", "Magic") {
      try edited($0, "tokenizer.json", #""type": "BPE""#, #""type": "Magic""#)
    },
    Mistake("template that raises", 65, "pairs.jsonl:1", "no pairs today") {
      try edited($0, "chat_template.jinja", "{% for", "{{ raise_exception('no pairs\ntoday') }}{% for")
    },
    Mistake("template that is not one", 65, "chat template") {
      try edited($0, "chat_template.jinja", "{% endfor %}", "{% endwhile %}")
    },
    Mistake("context shorter than max_length", 78, "max_length", "512") { _ in ["--max-length", "513"] },
  ]

  static let ofRows = [
    Mistake("missing data", 66, "none.jsonl") { ["--data", $0.path("none.jsonl")] },
    Mistake("pattern that matches nothing", 66, "none-*.jsonl") { ["--data", $0.path("none-*.jsonl")] },
    Mistake("empty file", 65, "rows.jsonl") { ["--data", try $0.write("", to: "rows.jsonl")] },
    Mistake("row without chosen", 65, "rows.jsonl:3", "chosen") { try row($0, #"{"prompt": "a", "rejected": "b"}"#) },
    Mistake("identical pair", 65, "rows.jsonl:3", "identical") {
      try row($0, #"{"prompt": "a", "chosen": "b", "rejected": "b"}"#)
    },
    Mistake("empty response", 65, "rows.jsonl:3", "rejected") {
      try row($0, #"{"prompt": "a", "chosen": "b", "rejected": ""}"#)
    },
    Mistake("empty response in messages", 65, "rows.jsonl:3", "chosen") {
      try row(
        $0,
        #"{"prompt": [{"role": "user", "content": "a"}], "chosen": [{"role": "assistant", "content": ""}], "rejected": [{"role": "assistant", "content": "b"}]}"#
      )
    },
    Mistake("half a row", 65, "rows.jsonl:3") { try row($0, #"{"prompt": "a", "cho"#) },
    Mistake("bad UTF-8", 65, "rows.jsonl:3") {
      try row($0, Array(#"{"prompt": "a", "chosen": "b"#.utf8) + [0xFF, 0xC0] + Array(#"", "rejected": "c"}"#.utf8))
    },
    Mistake("oversize row", 65, "rows.jsonl:3", "longer than 16 MiB") {
      try row($0, #"{"prompt": "a", "chosen": ""# + String(repeating: "x", count: 17 << 20) + #"", "rejected": "c"}"#)
    },
    Mistake("prompt that leaves no room", 65, "rows.jsonl:3", "max_length 256") {
      try row($0, #"{"prompt": ""# + String(repeating: "zq", count: 400) + #"", "chosen": "b", "rejected": "c"}"#)
    },
    Mistake("only bad rows, skipped", 65, "rows.jsonl", "none of 1 rows") {
      ["--bad-rows", "skip", "--data", try $0.write(#"{"prompt": "a", "rejected": "b"}"# + "\n", to: "rows.jsonl")]
    },
    Mistake("damaged compression", 65, "rows.jsonl.gz") {
      ["--data", try $0.write([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3], to: "rows.jsonl.gz")]
    },
    Mistake("bad held-out row", 65, "held.jsonl:1", "chosen") {
      ["--eval-data", try $0.write(#"{"prompt": "a", "rejected": "b"}"# + "\n", to: "held.jsonl")]
    },
  ]

  static let ofSettings = [
    Mistake("unknown key", 78, "run.yaml:2", "learning_rat", "did you mean learning_rate?") {
      ["--config", try $0.write("beta: 0.1\nlearning_rat: 1e-5\n", to: "run.yaml")]
    },
    Mistake("value of the wrong kind", 78, "run.yaml:1", "beta", "expected a number above 0") {
      ["--config", try $0.write("beta: much\n", to: "run.yaml")]
    },
    Mistake("broken YAML", 78, "run.yaml:2") { ["--config", try $0.write("beta: 0.1\n  x: [1\n", to: "run.yaml")] },
    Mistake("missing configuration", 66, "none.yaml") { ["--config", $0.path("none.yaml")] },
    Mistake("unknown flag", 64, "--learning-rat", "did you mean --learning-rate?") { _ in ["--learning-rat", "1"] },
    Mistake(
      "batch per device", 78, "per_device_train_batch_size", "global_batch_size", "4 × 8 × processes", "32 with one"
    ) {
      [
        "--config",
        try $0.write("per_device_train_batch_size: 4\ngradient_accumulation_steps: 8\n", to: "run.yaml"),
      ]
    },
    Mistake("unknown loss", 78, "loss_type", "simpoo") { _ in ["--loss-type", "simpoo"] },
    Mistake("missing template", 78, "treg_template", "frame.txt") { ["--treg-template", $0.path("frame.txt")] },
    Mistake("missing rewards", 66, "treg rewards") { ["--rewards", $0.path("rewards")] },
    Mistake("output below a file", 73, "file") { ["--out", try $0.write("", to: "file") + "/out"] },
    Mistake("output that is a file", 73, "file") { ["--out", try $0.write("", to: "file")] },
  ]
}

extension EndToEndTests {
  /// Each mistake: one clear line, the exit code scripts rely on, nothing half written.
  @Suite(.serialized) struct BadInputTests {
    @Test(arguments: Mistake.ofModels + Mistake.ofRows + Mistake.ofSettings)
    func oneClearLine(mistake: Mistake) throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let run = try Program.treg(Tiny.train(out, mistake.flags(scratch)))
      #expect(run.exitCode == mistake.exitCode, "\(run.errors)")
      #expect(run.complaints.count == 1, "\(run.errors)")
      let line = run.complaints.first ?? ""
      for words in mistake.says { #expect(line.contains(words), "\(line)") }
      #expect(run.errors.hasSuffix(line + "\n"), "it is the last word: \(run.errors)")
      if exists(out) {
        let left = try FileManager.default.subpathsOfDirectory(atPath: out)
        #expect(left.allSatisfy { $0 == "run" || $0.hasPrefix("run/") }, "\(left)")
        #expect(left.allSatisfy { !$0.hasSuffix(".safetensors") && !$0.contains(".unfinished") }, "\(left)")
      }
    }

    /// The same files, the same words, where rewards are a job of their own.
    @Test(
      arguments: Mistake.ofModels.filter { $0.exitCode != 78 } + Mistake.ofRows.filter { $0.name != "bad held-out row" }
    )
    func rewardsSayTheSame(mistake: Mistake) throws {
      let scratch = try Scratch()
      let out = scratch.path("out")
      let run = try Program.treg(Tiny.rewards(out, mistake.flags(scratch)))
      #expect(run.exitCode == mistake.exitCode && run.complaints.count == 1, "\(run.errors)")
      for words in mistake.says { #expect(run.complaints.first?.contains(words) == true, "\(run.errors)") }
      #expect(try !exists(out) || FinishedRun(out).names().isEmpty, "nothing is written")
    }

    @Test(arguments: [
      (["frobnicate"], "Unexpected argument 'frobnicate'"), (["train"], "--model is missing"),
      (["train", "--config"], "Missing value for '--config"), (["train", "word"], "unexpected argument"),
      (["rewards", "--shard", "9/3"], "--shard 9/3: expected i/n"),
      (["train", "--resume", "--overwrite"], "exclude each other"),
    ])
    func commandLinesThatCannotBeUnderstood(arguments: [String], words: String) throws {
      let run = try Program.treg(
        arguments.first == "rewards" ? Tiny.rewards("/nowhere", Array(arguments.dropFirst())) : arguments)
      #expect(run.exitCode == 64, "\(run.errors)")
      #expect(run.errors.hasPrefix("treg: ") && run.errors.filter(\.isNewline).count == 1, "\(run.errors)")
      #expect(run.errors.contains(words), "\(run.errors)")
    }

    @Test func badRowsAreSkippedAndCounted() throws {
      let scratch = try Scratch()
      let bad = [
        #"{"prompt": "a", "rejected": "b"}"#, #"{"prompt": "a", "chosen": "b", "rejected": "b"}"#, "no JSON",
      ]
      let data = try scratch.write((Tiny.rows() + bad).joined(separator: "\n") + "\n", to: "rows.jsonl")
      let run = try Program.treg(Tiny.train(scratch.path("out"), "--data", data, "--bad-rows", "skip"))
      try #require(run.exitCode == 0, "\(run.errors)")
      #expect(run.errors.contains("27 rows read, 24 used"), "\(run.errors)")
      #expect(run.errors.contains("refused: 3 (first: ") && run.errors.contains("rows.jsonl:25"), "\(run.errors)")
      let plain = try Program.treg(Tiny.train(scratch.path("plain")))
      try #require(plain.exitCode == 0)
      #expect(
        try FinishedRun(scratch.path("out")).modelBytes() == FinishedRun(scratch.path("plain")).modelBytes(),
        "the good rows train alike")
    }

    /// Root may write anywhere but into a read-only mount.
    @Test(.enabled(if: canMount, "needs a user namespace to mount in"))
    func readOnlyOutputIsRefused() throws {
      let scratch = try Scratch()
      try FileManager.default.createDirectory(atPath: scratch.path("disk"), withIntermediateDirectories: true)
      let run = try onDisk(scratch.path("disk"), options: "ro", Tiny.train(scratch.path("disk/out")))
      #expect([73, 77].contains(run.exitCode) && run.complaints.count == 1, "\(run.errors)")
      #expect(run.complaints.first?.contains("disk/out") == true)
    }

    /// 700 KB hold the rewards, the first checkpoint and the trained model, but not the second checkpoint; less the size of
    /// the trained model, they do not hold that either.
    @Test(
      .enabled(if: canMount, "needs a user namespace to mount in"),
      arguments: [(1, 700, 0), (2, 700, 0), (1, 560, 74), (2, 560, 74)])
    func trainingGoesOnWhileTheDiskIsFull(ranks: Int, kilobytes: Int, exitCode: Int32) throws {
      if ranks > 1, withoutMPI { return }
      let scratch = try Scratch()
      let disk = scratch.path("disk")
      try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
      let run = try onDisk(
        disk, options: "size=\(kilobytes)k",
        Tiny.train(disk + "/out", "--save-steps", "1", "--save-total-limit", "9"), ranks: ranks,
        then:
          "find \(disk) -type f | sort; cat \(disk)/out/run/status.json; cmp \(disk)/out/checkpoint-1/tokenizer.json \(Tiny.model)/tokenizer.json && echo intact"
      )
      #expect(run.exitCode == exitCode, "\(run.errors)\(run.output)")
      let warnings = run.errors.split(separator: "\n").filter { $0.hasPrefix("WARNING: checkpoint-") }
      #expect(warnings.count == 9, "\(run.errors)")
      for (number, warning) in warnings.enumerated() {
        #expect(warning.contains("checkpoint-\(number + 2) could not be written (") && warning.contains("disk full"))
        #expect(warning.hasSuffix("training goes on, checkpoint-1 stays"), "\(warning)")
      }
      #expect(run.output.contains("checkpoint-1/state/manifest.json") && run.output.contains("intact"), "\(run.output)")
      let files = run.output.split(separator: "\n").filter { $0.hasPrefix(disk) }
      #expect(!files.isEmpty && files.allSatisfy { !$0.contains(".unfinished") }, "\(run.output)")
      if exitCode == 0 {
        #expect(run.output.contains("checkpoint-10 could not be written"), "status.json tells it: \(run.output)")
      } else {
        #expect(run.complaints.count == 1 && run.complaints[0].contains("disk full while writing"), "\(run.errors)")
        #expect(files.allSatisfy { !$0.contains("/out/model") }, "\(run.output)")
      }
    }

    /// A run that is asked to stop and cannot write its checkpoint has failed.
    @Test(.enabled(if: canMount, "needs a user namespace to mount in"))
    func aStopWithoutItsCheckpointIsAnError() throws {
      let scratch = try Scratch()
      let disk = scratch.path("disk")
      try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
      let run = try onDisk(
        disk, options: "size=300k",
        Tiny.train(disk + "/out", "--max-steps", "100000", "--loss-type", "simpo", "--treg-alpha", "0"),
        meanwhile:
          "for i in $(seq 1000); do [ -s \(disk)/out/run/metrics.jsonl ] && break; sleep 0.02; done; touch \(disk)/out/run/stop",
        then: "find \(disk)")
      #expect(run.exitCode == 74, "\(run.errors)")
      #expect(run.complaints.count == 1 && run.complaints[0].contains("disk full while writing"), "\(run.errors)")
      #expect(!run.output.contains("checkpoint"), "\(run.output)")
    }

    /// Runs treg with a small disk mounted at `path`, in a namespace of its own; nothing is left mounted.
    private func onDisk(
      _ path: String, options: String, _ arguments: [String], ranks: Int = 1, meanwhile: String = "true",
      then more: String = "true"
    ) throws -> Outcome {
      let command = (ranks == 1 ? [] : Program.openMPI(ranks)) + [Program.treg] + arguments
      return try Program.run(
        [
          "unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
          "disk=$1; shift; mount -t tmpfs -o \(options) none \"$disk\" || exit 99; (\(meanwhile)) & \"$@\"; code=$?; wait; \(more); exit $code",
          "sh", path,
        ] + command)
    }
  }
}

/// Whether a test may mount a disk of its own.
let canMount: Bool = {
  let mount = try? Program.run([
    "unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt",
  ])
  return mount?.exitCode == 0
}()
