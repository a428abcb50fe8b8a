import Foundation
import ModelFiles
import OrderedJSON
import RunFolder

/// A folder of a test's own, removed with it.
final class Scratch {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("treg-e2e-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }

  func path(_ name: String) -> String { "\(path)/\(name)" }

  func create(_ name: String) throws -> FileHandle {
    _ = FileManager.default.createFile(atPath: path(name), contents: nil)
    return try FileHandle(forWritingTo: URL(fileURLWithPath: path(name)))
  }

  func text(_ name: String) throws -> String {
    String(decoding: try Data(contentsOf: URL(fileURLWithPath: path(name))), as: UTF8.self)
  }

  @discardableResult
  func write(_ bytes: some Sequence<UInt8>, to name: String) throws -> String {
    try Data(bytes).write(to: URL(fileURLWithPath: path(name)))
    return path(name)
  }

  @discardableResult
  func write(_ text: String, to name: String) throws -> String { try write(text.utf8, to: name) }

  /// A copy of the tiny model that a test may break.
  func copyOfModel(_ name: String = "model") throws -> String {
    try FileManager.default.copyItem(atPath: Tiny.model, toPath: path(name))
    return path(name)
  }
}

/// The model and the pairs that `Tests/Oracles/tiny_model.py` made.
enum Tiny {
  static let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden").path
  static let model = golden + "/model"
  static let pairs = golden + "/pairs.jsonl"
  static let held = golden + "/held.jsonl"

  static func rows() throws -> [String] {
    try String(contentsOfFile: pairs, encoding: .utf8).split(separator: "\n").map(String.init)
  }

  /// `treg train` on them: ten steps of eight pairs, T-REG on DPO. Of a flag given twice the last one counts.
  static func train(_ out: String, _ more: String...) -> [String] { train(out, more) }

  static func train(_ out: String, _ more: [String]) -> [String] {
    ["train"] + inputs(out, more) + ["--global-batch-size", "8", "--max-steps", "10", "--learning-rate", "1e-3"] + more
  }

  static func rewards(_ out: String, _ more: String...) -> [String] { rewards(out, more) }

  static func rewards(_ out: String, _ more: [String]) -> [String] { ["rewards"] + inputs(out, more) + more }

  /// `--data` is a list, which grows when it is given again.
  private static func inputs(_ out: String, _ more: [String]) -> [String] {
    (more.contains("--data") ? [] : ["--data", pairs])
      + ["--model", model, "--out", out, "--max-length", "256", "--threads", "1"]
  }
}

/// A finished run as users find it.
struct FinishedRun {
  let path: String

  init(_ path: String) { self.path = path }

  /// The lines of metrics.jsonl; those of evaluations apart.
  func metrics(evaluation: Bool = false) throws -> [JSONValue] {
    try String(contentsOfFile: path + "/run/metrics.jsonl", encoding: .utf8).split(separator: "\n")
      .map { try JSONValue(parsing: String($0)) }
      .filter { ($0["eval_loss"] != nil) == evaluation }
  }

  func losses() throws -> [Double] { try metrics().compactMap { $0["loss"]?.double } }

  /// Bytes of the trained model.
  func modelBytes() throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path + "/model.safetensors")) }

  /// Weights by name.
  func weights() throws -> [String: [Float]] {
    let file = try SafetensorsFile(path + "/model.safetensors")
    return try Dictionary(uniqueKeysWithValues: file.names.map { ($0, try file.values(of: $0)) })
  }

  var checkpoints: [String] {
    get throws { try names().filter { $0.hasPrefix("checkpoint-") } }
  }

  func names(in folder: String = "") throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path + "/" + folder).sorted()
  }
}

func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
