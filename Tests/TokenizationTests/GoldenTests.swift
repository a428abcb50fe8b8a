import Foundation
import OrderedJSON
import Testing
import Tokenization

/// Tokenizers of all supported kinds against what Hugging Face `tokenizers` made of the same files and texts
/// (Tests/Oracles/tokenizer_golden.py).
@Suite struct GoldenTests {
  static let names = [
    "gpt2", "prefix", "digits", "llama3", "qwen2", "removed", "previous", "next", "contiguous", "inverted", "unknown",
    "llama2", "mistral3", "gemma3", "unigram_bytes", "unknown_single", "first_after_strip", "scripts",
    "bytes_twice",
  ]

  @Test(arguments: names)
  func encodesAndDecodesAsHuggingFace(name: String) throws {
    let tokenizer = try Golden.tokenizer(name)
    let cases = try #require(Golden.json("\(name).cases.json")["cases"]?.array)
    #expect(cases.count > 40)
    for record in cases {
      let text = try #require(record["text"]?.string)
      let ids = try #require(record["ids"]).ids
      let whole = record["ids_with_special"]?.ids ?? ids
      let decoded = try #require(record["decoded"]?.string)
      let skipped = record["decoded_without_special"]?.string ?? decoded
      #expect(try tokenizer.encode(text) == ids, "\(name): \(text.debugDescription)")
      #expect(try tokenizer.encode(text, addingSpecialTokens: true) == whole, "\(name): \(text.debugDescription)")
      #expect(Array(tokenizer.decode(ids).utf8) == Array(decoded.utf8), "\(name): \(text.debugDescription)")
      #expect(
        Array(tokenizer.decode(whole, skippingSpecialTokens: true).utf8) == Array(skipped.utf8),
        "\(name): \(text.debugDescription)")
    }
  }

  @Test(arguments: names)
  func decodesBrokenCharactersAsHuggingFace(name: String) throws {
    let tokenizer = try Golden.tokenizer(name)
    for record in try #require(Golden.json("\(name).cases.json")["decoding"]?.array) {
      let ids = try #require(record["ids"]).ids
      let decoded = try #require(record["decoded"]?.string)
      #expect(Array(tokenizer.decode(ids).utf8) == Array(decoded.utf8), "\(name): \(ids)")
    }
  }

  /// The scheme `first` counts whatever the first character became as the start of the text, also when that is cut up. The ids
  /// are those of `tokenizers`.
  @Test(arguments: [
    ("x", [1, 2, 3, 1, 2, 4]), ("xb", [1, 2, 3, 1, 2, 4, 4]), ("a b", [1, 2, 3, 2, 4]),
    ("xx", [1, 2, 3, 1, 2, 4, 2, 3, 2, 4]), ("x x", [1, 2, 3, 1, 2, 4, 2, 2, 3, 2, 4]),
  ])
  func firstIsAllThatTheFirstCharacterBecame(text: String, ids: [Int32]) throws {
    let file = #"""
      {"model": {"type": "BPE", "unk_token": "?", "vocab": {"?": 0, "_": 1, "\u2581": 2, "a": 3, "b": 4}, "merges": []},
       "normalizer": {"type": "Replace", "pattern": {"String": "x"}, "content": " a b"},
       "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
         {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithNext", "invert": false},
         {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": true},
         {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first", "split": true}]}}
      """#
    let tokenizer = try Tokenizer(tokenizerJSON: JSONValue(parsing: file), place: "tokenizer.json")
    #expect(try tokenizer.encode(text) == ids)
  }

  @Test func namesTokens() throws {
    let tokenizer = try Golden.tokenizer("llama3")
    let begin = try #require(tokenizer.id(of: "<|begin|>"))
    #expect(tokenizer.token(of: begin) == "<|begin|>")
    #expect(tokenizer.isSpecial(begin))
    #expect(tokenizer.token(of: Int32(tokenizer.vocabularySize)) == nil)
    #expect(tokenizer.token(of: -1) == nil)
    let blank = try #require(tokenizer.id(of: "Ġ"))
    #expect(tokenizer.bytes(of: blank) == [0x20])
    #expect(!tokenizer.isSpecial(blank))
    #expect(tokenizer.id(of: "no such token") == nil)
  }

  @Test func servesSeveralThreadsAtOnce() async throws {
    let tokenizer = try Golden.tokenizer("qwen2")
    let records = try #require(Golden.json("qwen2.cases.json")["cases"]?.array)
    let wrong = try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<4 {
        group.addTask {
          try records.count { try tokenizer.encode($0["text"]?.string ?? "") != $0["ids"]?.ids }
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(wrong == 0)
  }
}
