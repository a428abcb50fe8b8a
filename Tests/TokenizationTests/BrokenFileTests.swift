import OrderedJSON
import RunFolder
import Testing
import Tokenization

/// Broken files give one line with file and key, and exit code 65.
@Suite struct BrokenFileTests {
  /// A tokenizer of two letters with parts of its file replaced.
  static func file(
    model: String = #""vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]"#, rest: String = "",
    preTokenizer: String = #"{"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}"#
  ) -> String {
    #"{"model": {"type": "BPE", \#(model)}, "pre_tokenizer": \#(preTokenizer)\#(rest.isEmpty ? "" : ", ")\#(rest)}"#
  }

  static func split(_ pattern: String) -> String {
    #"""
    {"type": "Sequence", "pretokenizers": [
      {"type": "Split", "behavior": "Isolated", "pattern": {"Regex": "\#(pattern)"}},
      {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]}
    """#
  }

  /// Byte alphabets one upon another, each of which may double the bytes of a text.
  static func byteAlphabets(_ count: Int) -> String {
    let one = #"{"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}"#
    return #"{"type": "Sequence", "pretokenizers": [\#(Array(repeating: one, count: count).joined(separator: ", "))]}"#
  }

  static let places: [(file: String, place: String)] = [
    ("[]", ""), ("{}", ""),
    (file(model: #""merges": []"#), "model"),
    (file(model: #""vocab": [], "merges": []"#), "model.vocab"),
    (file(model: #""vocab": {"a": 0, "b": 0}, "merges": []"#), "model.vocab"),
    (file(model: #""vocab": {"a": -1}, "merges": []"#), "model.vocab"),
    (file(model: #""vocab": {"a": 9000000000}, "merges": []"#), "model.vocab"),
    (file(model: #""vocab": {"a": "0"}, "merges": []"#), "model.vocab"),
    (file(model: #""vocab": {"a": 0}, "merges": ["a b"]"#), "model.merges[0]"),
    (file(model: ##""vocab": {"a": 0, "b": 1}, "merges": ["#version: 0.2", "a b"]"##), "model.merges[1]"),
    (file(model: #""vocab": {"a": 0, "aa": 1}, "merges": ["a a", ["a"]]"#), "model.merges[1]"),
    (file(model: #""vocab": {"a": 0, "aa": 1}, "merges": ["a a", "a a a"]"#), "model.merges[1]"),
    (file(model: #""vocab": {"a": 0, "aa": 1}, "merges": [7]"#), "model.merges[0]"),
    (file(model: #""vocab": {"a": 0}, "merges": [], "unk_token": "?""#), "model.unk_token"),
    (file(model: #""vocab": {"a": 0}, "merges": [], "byte_fallback": 1"#), "model.byte_fallback"),
    (file(model: #""vocab": {"a": 0}, "merges": [], "dropout": 0.1"#), "model.dropout"),
    (file(model: #""vocab": {"a": 0}, "merges": [], "end_of_word_suffix": "</w>""#), "model.end_of_word_suffix"),
    (#"{"model": {"type": "WordPiece"}}"#, "model"),
    (#"{"model": {"type": "Unigram"}}"#, "model"),
    (#"{"model": {"type": "Unigram", "vocab": []}}"#, "model.vocab"),
    (#"{"model": {"type": "Unigram", "vocab": [["a", -1], ["b"]]}}"#, "model.vocab[1]"),
    (#"{"model": {"type": "Unigram", "vocab": [["a", -1]], "unk_id": 1}}"#, "model.unk_id"),
    (file(preTokenizer: #"{"type": "Metaspace"}"#), "pre_tokenizer"),
    (file(preTokenizer: #"{"type": "Metaspace", "replacement": "ab"}"#), "pre_tokenizer.replacement"),
    (file(preTokenizer: #"{"type": "FixedLength", "length": 0}"#), "pre_tokenizer.length"),
    (
      file(preTokenizer: #"{"type": "Sequence", "pretokenizers": [{"type": "BertPreTokenizer"}]}"#),
      "pre_tokenizer.pretokenizers[0]"
    ),
    (file(preTokenizer: byteAlphabets(5)), "pre_tokenizer.pretokenizers[4]"),
    (file(preTokenizer: split("(")), "pre_tokenizer.pretokenizers[0].pattern.Regex"),
    (file(preTokenizer: split("[[a]b]")), "pre_tokenizer.pretokenizers[0].pattern.Regex"),
    (file(preTokenizer: split(#"\\p{Nonsense}"#)), "pre_tokenizer.pretokenizers[0].pattern.Regex"),
    (file(preTokenizer: split(#"a\\Kb"#)), "pre_tokenizer.pretokenizers[0].pattern.Regex"),
    (file(rest: #""normalizer": {"type": "BertNormalizer"}"#), "normalizer"),
    (file(rest: #""decoder": {"type": "WordPiece"}"#), "decoder"),
    (file(rest: #""post_processor": {"type": "PairProcessing"}"#), "post_processor"),
    (file(rest: #""post_processor": {"type": "BertProcessing", "sep": ["a", 0], "cls": 1}"#), "post_processor.cls"),
    (
      file(rest: #""normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}"#),
      "normalizer.precompiled_charsmap"
    ),
    (
      file(rest: #""decoder": {"type": "Replace", "pattern": {"Regex": "a"}, "content": "b"}"#), "decoder.pattern.Regex"
    ),
    (file(rest: #""added_tokens": [{"id": 3}]"#), "added_tokens[0]"),
    (file(rest: #""added_tokens": [{"id": 1, "content": "<x>"}]"#), "added_tokens[0].id"),
    (file(rest: #""added_tokens": [{"id": 3, "content": "ab"}]"#), "added_tokens[0].id"),
    (file(rest: #""added_tokens": [{"id": 99999999, "content": "<x>"}]"#), "added_tokens[0].id"),
    (file(rest: #""added_tokens": [{"id": 3, "content": "<x>", "lstrip": 1}]"#), "added_tokens[0].lstrip"),
  ]

  @Test(arguments: places)
  func namesFileAndKey(file: String, place: String) throws {
    let json = try JSONValue(parsing: file)
    let error = try #require(throws: TregError.self) {
      _ = try Tokenizer(tokenizerJSON: json, place: "tokenizer.json")
    }
    #expect(error.exitCode == .badData)
    #expect(error.place == (place.isEmpty ? "tokenizer.json" : "tokenizer.json: \(place)"))
    #expect(!error.message.isEmpty && !error.message.contains("\n"))
  }

  @Test func soundFileLoads() throws {
    let tokenizer = try Tokenizer(tokenizerJSON: JSONValue(parsing: Self.file()), place: "tokenizer.json")
    #expect(try tokenizer.encode("abba") == [2, 1, 0])
    #expect(try tokenizer.encode("a?b") == [0, 1], "a byte without a token is dropped")
    #expect(tokenizer.vocabularySize == 3)
  }

  /// U+00C5, U+212B and A with U+030A are one character to Swift's strings.
  @Test func spellingsOfOneLetterAreTokensOfTheirOwn() throws {
    let pairs = Self.file(
      model: #""vocab": {"\u00c5": 0, "\u212b": 1, "A\u030a": 2, "A": 3, "\u030a": 4}, "merges": ["A \u030a"]"#,
      rest: #""added_tokens": [{"id": 5, "content": "<\u00c5>"}, {"id": 6, "content": "<\u212b>"}]"#,
      preTokenizer: "null")
    let scored = #"""
      {"model": {"type": "Unigram", "unk_id": 0, "vocab": [
        ["<unk>", 0], ["\u00c5", -1], ["\u212b", -1], ["A\u030a", -1]]}}
      """#
    let spellings = ["\u{C5}", "\u{212B}", "A\u{30A}"]
    for (file, first) in [(pairs, Int32(0)), (scored, 1)] {
      let tokenizer = try Tokenizer(tokenizerJSON: JSONValue(parsing: file), place: "tokenizer.json")
      #expect(try tokenizer.encode(spellings.joined()) == [first, first + 1, first + 2])
      for (id, text) in zip(first..., spellings) {
        #expect(tokenizer.id(of: text) == id)
        #expect(tokenizer.token(of: id).map { Array($0.utf8) } == Array(text.utf8))
      }
    }
    let tokenizer = try Tokenizer(tokenizerJSON: JSONValue(parsing: pairs), place: "tokenizer.json")
    #expect(try tokenizer.encode("<\u{212B}><\u{C5}>") == [6, 5])
  }

  @Test func byteAlphabetsUponOneAnotherAreBounded() throws {
    func read(_ count: Int) throws -> Tokenizer {
      try Tokenizer(
        tokenizerJSON: JSONValue(parsing: Self.file(preTokenizer: Self.byteAlphabets(count))), place: "tokenizer.json")
    }
    #expect(try read(4).encode("ab") == [2])
    let error = try #require(throws: TregError.self) { _ = try read(5) }
    #expect(error.message == "more than 4 ByteLevel pre-tokenizers after one another")
  }

  @Test func patternThatNeverEndsIsStopped() throws {
    let file = Self.file(preTokenizer: Self.split("(?:a+)+[bc]"))
    let tokenizer = try Tokenizer(tokenizerJSON: JSONValue(parsing: file), place: "tokenizer.json")
    let error = try #require(throws: TregError.self) { _ = try tokenizer.encode(String(repeating: "a", count: 200)) }
    #expect(error.exitCode == .badData)
    #expect(error.place == "tokenizer.json: pre_tokenizer.pretokenizers[0].pattern.Regex")
  }

  @Test func longWordIsMergedQuickly() throws {
    let tokenizer = try Tokenizer(tokenizerJSON: JSONValue(parsing: Self.file()), place: "tokenizer.json")
    let tokens = try tokenizer.encode(String(repeating: "ab", count: 500_000))
    #expect(tokens == [Int32](repeating: 2, count: 500_000))
  }
}
