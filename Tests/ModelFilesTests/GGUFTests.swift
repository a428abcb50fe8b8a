import FuzzSupport
import ModelFiles
import OrderedJSON
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

  /// Tests/Oracles/dequantisation_golden.py made the hashes; the blocks are random bytes of the seed that it names.
  @Test func expandsEveryTypeBitForBit() throws {
    let file = try JSONValue(parsing: FileSystem.readBytes(FileSystem.join(golden, "dequantisation.json")))
    let types = try #require(file["types"]?.object)
    let count = try #require(file["numbers"]?.integer)
    #expect(Set(types.keys) == Set(GGUFTensorType.allCases.map { GGUFTensorType.name(of: $0.rawValue) }))
    let scratch = try Scratch()
    for (name, expected) in types {
      var random = Mutator(seed: UInt64(expected["code"]!.integer!))
      let size = expected["bytes"]!.integer!
      var blocks: [UInt8] = []
      while blocks.count < size { withUnsafeBytes(of: random.next().littleEndian) { blocks += Array($0) } }
      var builder = GGUFBuilder()
      builder.stored["x"] = (UInt32(expected["code"]!.integer!), [2, count / 2], Array(blocks.prefix(size)))
      let values = try GGUFFile(scratch.write("x.gguf", builder.bytes())).values(of: "x")
      // The payload of a NaN says nothing.
      let bits = values.map { $0.isNaN ? 0x7FC0_0000 : $0.bitPattern }
      #expect(values.count { $0.isNaN } == expected["nans"]!.integer, "\(name)")
      #expect(bits.prefix(8).map { Int($0) } == expected["first"]!.array!.map { $0.integer! }, "\(name)")
      #expect(ContentHash.of(bits.withUnsafeBytes { Array($0) }) == expected["hash"]!.string, "\(name)")
    }
  }

  @Test(arguments: [
    (16, "IQ2_XXS", "requantise the model"), (19, "IQ1_S", "requantise the model"), (26, "I32", "whole numbers"),
    (15, "Q8_K", "intermediate results"), (99, "type 99", "known are F32, F16, Q4_0"),
  ])
  func namesATypeThatIsNotRead(code: UInt32, name: String, reason: String) throws {
    var builder = GGUFBuilder()
    builder.stored["a.weight"] = (code, [1, 256], Array(repeating: 0, count: 2048))
    let scratch = try Scratch()
    let file = try GGUFFile(scratch.write("x.gguf", builder.bytes()))
    let error = userError { _ = try file.values(of: "a.weight") }
    #expect(error?.exitCode == .badData)
    #expect(error?.message.hasPrefix("tensor a.weight is stored as \(name), ") == true)
    #expect(error?.message.contains(reason) == true)
  }

  @Test func namesAnUnknownArchitecture() throws {
    let error = userError { _ = try ModelSource.open(FileSystem.join(golden, "quantised.gguf")) }
    #expect(
      error?.message
        == "architecture test is not supported; known are gemma, gemma2, gemma3, gpt2, granite, llama, olmo2, phi3, qwen2, qwen3, smollm3"
    )
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
