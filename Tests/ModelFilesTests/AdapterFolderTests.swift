import Foundation
import ModelDescription
import ModelFiles
import OrderedJSON
import RunFolder
import Testing

@Suite struct AdapterFolderTests {
  /// Patterns as Python's `re.match(rf"(.*\.)?({pattern})$", name)` takes them.
  @Test(arguments: [
    ("q_proj", true), ("attn.q_proj", false), ("self_attn.q_proj", true), ("_proj", false), ("q.proj", true),
    ("model.layers.11.self_attn.q_proj", true), (#"^model\.layers\.\d+\..*"#, true), (#"^layers\.11\..*"#, false),
    (#"layers\.(1|11)\.self_attn\.(k|q)_proj"#, true), (#"layers\.(1|2)\.self_attn\.q_proj"#, false),
    (#"layers\.1{2}\..+"#, true), (#"layers\.1{3,}\..+"#, false), (#"layers\.1{1,2}?\..+$"#, true),
    ("[a-q]_proj", true), ("[^a-p]_proj", true), (#"[\d]_proj"#, false), ("(?:k|q)?_?proj", true), ("|q_proj", true),
    (#"self_attn\..*_proj"#, true), (#"(a*)*b"#, false), (#"((\w+)+\.)+q_proj"#, true), ("Q_proj", false),
  ])
  func namesModulesAsPython(pattern: String, matches: Bool) throws {
    #expect(try #require(ModulePattern(pattern)).names("model.layers.11.self_attn.q_proj") == matches)
  }

  @Test(arguments: [
    "(?!q)x", "(?i)q", #"(q)\1"#, "(q", "q)", "[q", "*q", "q**", "q{2", "q{3,2}", "((((a{99}){99}){99}){99})", #"\"#,
    "q{", String(repeating: "(", count: 100_000),
  ])
  func otherPatternsAreNotRead(pattern: String) { #expect(ModulePattern(pattern) == nil) }

  /// No pattern takes more than its size times the name's.
  @Test func patternsEndInTime() throws {
    let pattern = try #require(ModulePattern("(a*)*(a|aa)+(a{1,20}){1,20}$b"))
    let start = ContinuousClock.now
    #expect(!pattern.names(String(repeating: "a", count: 400)))
    #expect(ContinuousClock.now - start < .seconds(5))
  }

  @Test(arguments: [
    ("modules_to_save", #"["lm_head"]"#), ("bias", #""all""#), ("use_dora", "true"), ("layer_replication", "[[0, 1]]"),
    ("init_lora_weights", #""pissa_niter_4""#), ("trainable_token_indices", "[1, 2]"), ("peft_type", #""IA3""#),
    ("r", "0"), ("r", #""8""#), ("lora_alpha", "null"), ("rank_pattern", #"{"q": 1.5}"#), ("rank_pattern", "[1]"),
    ("alpha_pattern", #"{"(?=q)": 1}"#), ("alpha_pattern", #"{"q": "x"}"#), ("base_model_name_or_path", "null"),
    ("use_qalora", "true"), ("target_parameters", #"["experts"]"#),
  ])
  func whatIsNotReadIsNamed(key: String, value: String) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var members: [String: String] = [
      "peft_type": #""LORA""#, "r": "2", "lora_alpha": "4", "base_model_name_or_path": #""m""#,
    ]
    members[key] = value
    let text = "{" + members.map { "\"\($0)\": \($1)" }.joined(separator: ", ") + "}"
    try text.write(toFile: folder + "/adapter_config.json", atomically: true, encoding: .utf8)
    #expect {
      _ = try AdapterFolder(folder)
    } throws: { error in
      (error as? TregError)?.exitCode == .badData && "\(error)".contains(key)
    }
  }
}
