import ModelDescription
import ModelFiles
import OrderedJSON
import RunFolder
import Testing

@Suite struct GGUFModelTests {
  let scratch: Scratch
  init() throws { scratch = try Scratch() }

  func open(_ file: GGUFBuilder) throws -> ModelSource {
    try ModelSource.open(try scratch.write("x.gguf", file.bytes()))
  }

  @Test(arguments: [
    "smollm", "starcoder", "refact", "gpt-2", "llama-bpe", "smaug-bpe", "dbrx", "qwen2", "gpt-4o", "tekken",
  ])
  func writesPreTokenizersAsTheLibraryDoes(pre: String) throws {
    let goldens = try JSONValue(parsing: FileSystem.readBytes(FileSystem.join(golden, "pretokenizers.json")))
    let expected = try #require(goldens[pre]?.object)
    let written = try open(.model("llama", pre: pre)).tokenizerJSON
    for (part, value) in expected { #expect(written[part] == value, "\(part)") }
    #expect(written["added_tokens"]?.array?.map { $0["special"] } == [true, false])
    #expect(written["model"]?["ignore_merges"] == .bool(["llama-bpe", "smaug-bpe", "tekken"].contains(pre)))
  }

  @Test func putsRowsOfLlamasHeadsBackInOrder() throws {
    // Rows of a head in the file: pairs (0, 2) and (1, 3) of the original are neighbours.
    let llama = try open(.model("llama", pre: "smollm")).weights
    func firsts(_ weights: any WeightSource, _ name: String) throws -> [Float] {
      let values = try weights.values(of: "model.layers.0.self_attn.\(name).weight")
      return stride(from: 0, to: values.count, by: 8).map { values[$0] }
    }
    #expect(try firsts(llama, "q_proj") == [0, 2, 1, 3, 4, 6, 5, 7])
    #expect(try firsts(llama, "k_proj") == [0, 2, 1, 3])
    #expect(try firsts(llama, "v_proj") == [0, 1, 2, 3])
    var qwen = GGUFBuilder.model("qwen2", pre: "qwen2")
    for (name, count) in [("q", 8), ("k", 4), ("v", 4)] { qwen.set("blk.0.attn_\(name).bias", [count]) }
    qwen.set("output.weight", [5, 8])
    let source = try open(qwen)
    #expect(source.model.attentionBias && !source.model.outputBias && !source.model.tiesEmbeddings)
    #expect(try firsts(source.weights, "q_proj") == [0, 1, 2, 3, 4, 5, 6, 7])
    #expect(try source.weights.values(of: "model.layers.0.self_attn.k_proj.bias") == [0, 1, 2, 3])
    #expect(try load(source.weights, source.model).count == source.model.bufferCount)
  }

  @Test func recognisesLlama3sScaling() throws {
    // A base so large that of the two frequencies one is kept and the other divided by the factor.
    let scaling = Rope.Scaling.llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalLength: 8192)
    var file = GGUFBuilder.model("llama", pre: "llama-bpe")
    file.metadata["llama.rope.freq_base"] = .number(1e9)
    file.tensors["rope_freqs.weight"] = ([2], [1, 8])
    let source = try open(file)
    #expect(source.model.ropes[0] == Rope(theta: 1e9, scaling: scaling))
    #expect(try source.weights.unusedNames(by: source.model) == ["rope_freqs.weight"])
    file.tensors["rope_freqs.weight"] = ([2], [1, 1])
    #expect(try open(file).model.ropes[0] == Rope(theta: 1e9))
    file.tensors["rope_freqs.weight"] = ([2], [2, 8])
    #expect(
      userError { _ = try open(file) }?.message.contains("rope_freqs.weight is not the scaling of Llama 3") == true)
  }

  @Test func keepsUnusedTokensOutOfTheVocabulary() throws {
    var file = GGUFBuilder.model("llama", pre: "smollm")
    file.metadata["tokenizer.ggml.token_type"] = .integers([3, 3, 1, 1, 5])
    let source = try open(file)
    #expect(source.tokenizerJSON["model"]?["vocab"]?.object?.count == 4)
    #expect(source.model.vocabularySize == 5)
  }

  @Test(
    arguments: [
      ("tokenizer.ggml.model", .string("t5"), "tokenizer model t5 is not supported"),
      ("tokenizer.ggml.model", .string("llama"), "tokenizer.ggml.scores is missing"),
      ("tokenizer.ggml.pre", .string("chatglm"), "pre-tokenizer chatglm is not supported"),
      ("tokenizer.ggml.pre", nil, "tokenizer.ggml.pre is missing"),
      ("tokenizer.ggml.merges", .strings(["ab"]), "pairs separated by a blank"),
      ("tokenizer.ggml.tokens", .strings(["a", "a", "b", "c", "d"]), "holds a twice"),
      ("tokenizer.ggml.token_type", .integers([1]), "has 1 entries, expected 5"),
      ("tokenizer.ggml.eos_token_id", .integer(9), "is 9, expected less than 5"),
      ("llama.block_count", nil, "llama.block_count is missing"),
      ("llama.block_count", .string("1"), "must be a whole number"),
      ("llama.block_count", .integer(2), "tensor model.layers.1.mlp.down_proj.weight and 8 more is missing"),
      ("llama.embedding_length", .integer(0), "must lie in 1…16777216, found 0"),
      ("llama.block_count", .integer(1 << 30), "must lie in 1…4096"),
      ("llama.expert_count", .integer(8), "mixture of 8 experts"),
      ("llama.rope.scaling.type", .string("ntk"), "rope.scaling.type is ntk"),
      ("llama.rope.scaling.type", .string("yarn"), "rope.scaling.factor is missing"),
      ("llama.rope.scaling.type", .string("longrope"), "rope.scaling.original_context_length is missing"),
      ("llama.rope.dimension_count", .integer(2), "rope.dimension_count is 2, expected the head's 4"),
      ("llama.attention.value_length", .integer(6), "value_length is 6, expected attention.key_length's 4"),
      ("llama.logit_scale", .number(2), "logit_scale is 2.0, which LlamaForCausalLM does not know"),
      ("llama.attention.causal", .bool(false), "attention.causal is false"),
      ("split.count", .integer(3), "one of 3 parts"),
      ("llama.feed_forward_length", .integer(7), "has shape [8, 6], expected [8, 7]"),
    ] as [(String, GGUFBuilder.Value?, String)])
  func namesWhatItCannotUse(key: String, value: GGUFBuilder.Value?, message: String) throws {
    var file = GGUFBuilder.model("llama", pre: "smollm")
    file.metadata[key] = value
    let error = userError { _ = try open(file) }
    #expect(error?.exitCode == .badData)
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "no error")")
  }
}
