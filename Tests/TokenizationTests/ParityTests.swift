import Foundation
import OrderedJSON
import Testing
import Tokenization

/// A real tokenizer against `tokenizers`, on a folder that Tests/Oracles/check_tokenizer.py writes.
@Suite struct ParityTests {
  static let folder = ProcessInfo.processInfo.environment["TREG_PARITY_TOKENIZER"]

  @Test(.enabled(if: folder != nil, "TREG_PARITY_TOKENIZER names no folder, see Tests/Oracles/check_tokenizer.py"))
  func idsEqualOnEveryText() throws {
    let folder = URL(filePath: try #require(Self.folder))
    let clock = ContinuousClock()
    let file = try Data(contentsOf: folder.appending(path: "tokenizer.json"))
    var parsed: JSONValue = nil
    let parsing = try clock.measure { parsed = try JSONValue(parsing: file) }
    var made: Tokenizer?
    let loading = try clock.measure { made = try Tokenizer(tokenizerJSON: parsed, place: "tokenizer.json") }
    let tokenizer = try #require(made)
    let records = try Data(contentsOf: folder.appending(path: "cases.jsonl")).split(separator: UInt8(ascii: "\n")).map {
      try JSONValue(parsing: $0)
    }
    var different = 0
    for record in records {
      let text = try #require(record["text"]?.string)
      let ids = try #require(record["ids"]).ids
      guard try tokenizer.encode(text) != ids else { continue }
      different += 1
      if different <= 5 { Issue.record("\(text.debugDescription): expected \(ids)") }
    }
    #expect(different == 0)

    let texts = records.filter { $0["timed"]?.bool == true }.compactMap { $0["text"]?.string }
    let bytes = texts.reduce(0) { $0 + $1.utf8.count }
    for round in ["first", "second", "third"] {
      let fresh = try Tokenizer(tokenizerJSON: parsed, place: "tokenizer.json")
      let time = try clock.measure { for text in texts { _ = try fresh.encode(text) } }
      print("\(round) round: \(texts.count) texts, \(Double(bytes) / (time / .seconds(1)) / 1e6) MB/s")
    }
    print("\(records.count) texts compared, \(different) differ; parsed in \(parsing), loaded in \(loading)")
  }
}
