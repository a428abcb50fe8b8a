import ModelFiles
import OrderedJSON
import RunFolder
import Testing
import Tokenization

/// Vocabularies of SentencePiece out of GGUF files: Tests/Oracles/sentencepiece_golden.py made them, and the ids are
/// SentencePiece's own.
@Suite struct SentencePieceTests {
  @Test(arguments: ["llama", "gemma"]) func idsEqualSentencePieces(name: String) throws {
    let source = try ModelSource.open(FileSystem.join(golden, "sentencepiece-\(name).gguf"))
    let expected = try JSONValue(parsing: FileSystem.readBytes(FileSystem.join(golden, "sentencepiece.json")))
    let tokenizer = try Tokenizer(tokenizerJSON: source.tokenizerJSON, place: source.place)
    let texts = try #require(expected["texts"]?.array).map { $0.string! }
    let ids = try #require(expected[name]?.array).map { $0.array!.map { Int32($0.integer!) } }
    #expect(texts.count == ids.count && texts.count > 100)
    for (text, ids) in zip(texts, ids) {
      #expect(try tokenizer.encode(text) == ids, "\(text.debugDescription)")
      #expect(tokenizer.decode(ids, skippingSpecialTokens: true) == text)
    }
    // Files that do not say so begin texts with the begin token.
    #expect(try tokenizer.encode("a", addingSpecialTokens: true).first == source.model.beginToken.map(Int32.init))
    #expect(source.tokenizerConfiguration["add_bos_token"] == true)
    #expect(source.tokenizerConfiguration["add_prefix_space"] == .bool(name == "llama"))
  }

  @Test func runsOfBlanksAreNoAddedTokensAndLineBreaksAre() throws {
    let source = try ModelSource.open(FileSystem.join(golden, "sentencepiece-gemma.gguf"))
    let added = try #require(source.tokenizerJSON["added_tokens"]?.array).compactMap { $0["content"]?.string }
    #expect(added.contains("\n\n") && added.contains("<table>") && added.contains("<s>"))
    #expect(!added.contains { $0.contains("▁") || $0.contains(" ") })
    #expect(source.tokenizerJSON["model"]?["vocab"]?["▁▁▁"] != nil)
  }

  /// Llama's scores say which merge comes first, not the order of the tokens.
  @Test func mergesFollowTheScores() throws {
    var file = GGUFBuilder.model("llama", pre: "default")
    file.metadata["tokenizer.ggml.model"] = .string("llama")
    file.metadata["tokenizer.ggml.tokens"] = .strings(["a", "b", "ab", "ba", "aba"])
    file.metadata["tokenizer.ggml.token_type"] = .integers([1, 1, 1, 1, 1])
    file.metadata["tokenizer.ggml.scores"] = .numbers([0, 0, -5, -1, -2])
    let scratch = try Scratch()
    let json = try ModelSource.open(scratch.write("x.gguf", file.bytes())).tokenizerJSON
    #expect(json["model"]?["merges"]?.array?.map { $0.string } == ["b a", "ab a", "a ba", "a b"])
    #expect(json["model"]?["byte_fallback"] == true)
  }
}
