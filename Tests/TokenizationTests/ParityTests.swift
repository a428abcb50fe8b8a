import Foundation
import OrderedJSON
import Testing
import Tokenization

/// Tokenizers against `tokenizers`, on the folders that Tests/Oracles/check_tokenizer.py writes.
@Suite(.serialized) struct ParityTests {
  static let folder = ProcessInfo.processInfo.environment["TREG_TOKENIZER_CASES"]

  static let kinds: [String] = {
    guard let folder, let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else { return [] }
    return names.filter { FileManager.default.fileExists(atPath: "\(folder)/\($0)/cases.jsonl") }.sorted()
  }()

  @Test(
    .enabled(if: folder != nil, "TREG_TOKENIZER_CASES names no folder, see Tests/Oracles/check_tokenizer.py"),
    arguments: kinds)
  func idsAndTextsAreEqual(kind: String) throws {
    let folder = URL(filePath: try #require(Self.folder)).appending(path: kind)
    let clock = ContinuousClock()
    let file = try Data(contentsOf: folder.appending(path: "tokenizer.json"))
    var parsed: JSONValue = nil
    let parsing = try clock.measure { parsed = try JSONValue(parsing: file) }
    var made: Tokenizer?
    let loading = try clock.measure { made = try Tokenizer(tokenizerJSON: parsed, place: "tokenizer.json") }
    let tokenizer = try #require(made)

    var texts: [String] = []
    var count = 0
    var different = 0
    for line in try Data(contentsOf: folder.appending(path: "cases.jsonl")).split(separator: UInt8(ascii: "\n")) {
      let record = try JSONValue(parsing: line)
      let text = try #require(record["text"]?.string)
      if record["timed"]?.bool == true { texts.append(text) }
      count += 1
      guard let complaint = try complaint(tokenizer, text, record) else { continue }
      different += 1
      if different <= 5 { Issue.record("\(kind): \(text.debugDescription): \(complaint)") }
    }
    #expect(count > 0)
    #expect(different == 0, "\(kind): \(different) of \(count) texts")

    print("\(kind): \(count) texts, \(different) differ; parsed in \(parsing), loaded in \(loading)")
    let speed = try JSONValue(parsing: Data(contentsOf: folder.appending(path: "speed.json")))
    guard !texts.isEmpty, let peer = speed["seconds"]?.double, let tokens = speed["tokens"]?.integer else { return }
    var best = Double.infinity
    for _ in 0..<3 {
      let fresh = try Tokenizer(tokenizerJSON: parsed, place: "tokenizer.json")
      let time = try clock.measure { for text in texts { _ = try fresh.encode(text) } }
      best = min(best, time / .seconds(1))
    }
    let load = (parsing + loading) / .seconds(1)
    print(
      "\(kind): \(Int(Double(tokens) / best)) tokens/s on one thread, tokenizers \(Int(Double(tokens) / peer)), "
        + "ratio \((peer / best * 100).rounded() / 100); loading \(load) s, "
        + "tokenizers \(speed["load_seconds"]?.double ?? .nan) s")
  }

  /// What differs from the record; nil when nothing does.
  private func complaint(_ tokenizer: Tokenizer, _ text: String, _ record: JSONValue) throws -> String? {
    let ids = try #require(record["ids"]).ids
    let found = try tokenizer.encode(text)
    if found != ids { return "ids \(found) instead of \(ids)" }
    let whole = record["ids_with_special"]?.ids ?? ids
    let foundWhole = try tokenizer.encode(text, addingSpecialTokens: true)
    if foundWhole != whole { return "with special tokens \(foundWhole) instead of \(whole)" }
    let decoded = try #require(record["decoded"]?.string)
    let foundText = tokenizer.decode(ids)
    if Array(foundText.utf8) != Array(decoded.utf8) {
      return "text \(foundText.debugDescription) instead of \(decoded.debugDescription)"
    }
    let skipped = record["decoded_without_special"]?.string ?? decoded
    let foundSkipped = tokenizer.decode(whole, skippingSpecialTokens: true)
    if Array(foundSkipped.utf8) != Array(skipped.utf8) {
      return "without special tokens \(foundSkipped.debugDescription) instead of \(skipped.debugDescription)"
    }
    return nil
  }
}
