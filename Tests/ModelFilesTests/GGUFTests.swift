import ModelFiles
import RunFolder
import Testing

@Suite struct GGUFTests {
  @Test(arguments: ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1"])
  func expandsBlocksBitForBit(type: String) throws {
    let file = try GGUFFile(FileSystem.join(golden, "quantised.gguf"))
    let expected = try SafetensorsFile(FileSystem.join(golden, "quantised.safetensors"))
    let name = "\(type).weight"
    #expect(file.shape(of: name) == [3, 64])
    #expect(try file.values(of: name).map(\.bitPattern) == expected.values(of: name).map(\.bitPattern))
  }

  @Test func namesATypeThatIsNotRead() throws {
    let file = try GGUFFile(FileSystem.join(golden, "quantised.gguf"))
    let error = userError { _ = try file.values(of: "q6_k.weight") }
    #expect(error?.exitCode == .badData)
    #expect(error?.message.hasPrefix("tensor q6_k.weight is stored as Q6_K, expected") == true)
  }

  @Test func namesAnUnknownArchitecture() throws {
    let error = userError { _ = try ModelSource.open(FileSystem.join(golden, "quantised.gguf")) }
    #expect(error?.message == "architecture test is not supported; known are llama, qwen2")
  }

  @Test func equalsTheFolderItCameFrom() throws {
    let file = try ModelSource.open(FileSystem.join(golden, "tiny.gguf"))
    let folder = try ModelSource.open(FileSystem.join(golden, "tiny"))
    #expect(file.model == folder.model)
    #expect(try load(file.weights, file.model) == load(folder.weights, folder.model))
    for part in ["model", "added_tokens", "normalizer", "pre_tokenizer", "decoder"] where part != "model" {
      #expect(file.tokenizerJSON[part] == folder.tokenizerJSON[part], "\(part)")
    }
    let vocabulary = file.tokenizerJSON["model"]?["vocab"]?.object
    #expect(vocabulary == folder.tokenizerJSON["model"]?["vocab"]?.object)
    // Pairs in one file, texts with a blank in the other.
    let merges = folder.tokenizerJSON["model"]?["merges"]?.array?.compactMap { pair in
      pair.array?.compactMap(\.string).joined(separator: " ")
    }
    #expect(file.tokenizerJSON["model"]?["merges"]?.array?.compactMap(\.string) == merges)
    #expect(merges?.isEmpty == false)
    #expect(file.chatTemplate == folder.chatTemplate)
    #expect(file.tokenizerConfiguration["eos_token"] == "<|im_end|>")
    #expect(file.tokenizerConfiguration["unk_token"] == "<|endoftext|>")
    #expect(file.tokenizerConfiguration["tokenizer_class"] == "PreTrainedTokenizerFast")
    #expect(file.generationConfiguration?["eos_token_id"] == 2)
  }

  @Test func refusesHeadersThatLie() throws {
    let scratch = try Scratch()
    let good = try FileSystem.readBytes(FileSystem.join(golden, "tiny.gguf"))
    func message(_ change: (inout [UInt8]) -> Void) throws -> String? {
      var bytes = good
      change(&bytes)
      let path = try scratch.write("x.gguf", bytes)
      let error = userError { _ = try GGUFFile(path) }
      #expect(error == nil || (error?.exitCode == .badData && error?.place == path))
      return error?.message
    }
    #expect(try message { $0[0] = 0 }?.contains("not a GGUF file") == true)
    #expect(try message { $0[4] = 1 }?.contains("GGUF version 1, expected 2 or 3") == true)
    #expect(try message { $0.replaceSubrange(4..<8, with: [0, 0, 0, 3]) }?.contains("big-endian") == true)
    // Counts of tensors, of metadata keys, and the length of the first key.
    for offset in [8, 16, 24] {
      #expect(
        try message { $0.replaceSubrange(offset..<(offset + 8), with: repeatElement(0x7F, count: 8)) }?
          .contains("more than the remaining") == true)
    }
    for count in [0, 3, 23, 100, 5000, good.count - 1] {
      #expect(try message { $0.removeLast($0.count - count) } != nil, "\(count) bytes")
    }
    #expect(try message { $0.removeLast(64) }?.contains("truncated: tensor") == true)
    #expect(try message { _ in } == nil)
  }
}
