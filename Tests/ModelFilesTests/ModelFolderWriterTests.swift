import ModelDescription
import ModelFiles
import OrderedJSON
import RunFolder
import Testing

@Suite struct ModelFolderWriterTests {
  @Test func keepsWeightsAndFilesOfAFolder() throws {
    let scratch = try Scratch()
    let source = try ModelSource.open(FileSystem.join(golden, "tiny"))
    let values = try load(source.weights, source.model)
    try values.withUnsafeBufferPointer {
      _ = try ModelFolderWriter(source).write(to: scratch.file("out"), parameters: $0)
    }
    let copy = try ModelSource.open(scratch.file("out"))
    #expect(try load(copy.weights, copy.model) == values)
    #expect(copy.configuration == source.configuration)
    #expect(copy.weights.shape(of: "lm_head.weight") == nil)
    for name in ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"] {
      #expect(
        try FileSystem.readBytes(scratch.file("out/\(name)"))
          == FileSystem.readBytes(FileSystem.join(golden, "tiny/\(name)")), "\(name)")
    }
    let data = try FileSystem.readBytes(scratch.file("out/model.safetensors"))
    let length = Int(data[0]) | Int(data[1]) << 8
    #expect((8 + length) % 8 == 0)
    #expect(try JSONValue(parsing: data[8..<(8 + length)])["__metadata__"] == ["format": "pt"])
  }

  @Test func dividesLargeModelsAndRemovesOldWeights() throws {
    let scratch = try Scratch()
    let source = try ModelSource.open(FileSystem.join(golden, "tiny.gguf"))
    let out = scratch.file("out")
    func write(_ shardBytes: Int) throws -> [String] {
      let values = try load(source.weights, source.model)
      _ = try values.withUnsafeBufferPointer {
        try ModelFolderWriter(source, shardBytes: shardBytes).write(to: out, parameters: $0)
      }
      let copy = try ModelSource.open(out)
      #expect(try load(copy.weights, copy.model) == values)
      return try FileSystem.contents(ofFolder: out).filter { $0.hasPrefix("model") }
    }
    #expect(try write(1 << 30) == ["model.safetensors"])
    let shards = try write(30_000)
    #expect(shards.contains("model-00001-of-00003.safetensors") && shards.contains("model.safetensors.index.json"))
    #expect(shards.count == 4)
    #expect(try write(1 << 30) == ["model.safetensors"])
  }

  /// What an earlier export left would be taken for a part of the new one; what is nobody's export stays.
  @Test func removesWhatIsOfAnotherModel() throws {
    let scratch = try Scratch()
    let source = try ModelSource.open(FileSystem.join(golden, "tiny.gguf"))
    let out = scratch.file("out")
    try FileSystem.createFolder(out)
    let left = ["adapter_config.json", "adapter_model.safetensors", "added_tokens.json", "merges.txt"]
    for name in left + ["notes.txt", "tokenizer.json"] { try AtomicFile.write("{}", to: FileSystem.join(out, name)) }
    let summary = try ModelConverter.convert(source, to: out, overwrite: true)
    let names = try FileSystem.contents(ofFolder: out)
    #expect(!names.contains(where: left.contains), "\(names)")
    #expect(names.contains("notes.txt") && names.contains("config.json"))
    #expect(try ModelSource.open(summary.written.folder).model == source.model)
  }

  @Test(arguments: [StorageType.bfloat16, .float16])
  func roundsAsPyTorchDoes(type: StorageType) throws {
    let scratch = try Scratch()
    let rounding = try SafetensorsFile(FileSystem.join(golden, "rounding.safetensors"))
    let exact = try rounding.values(of: "exact")
    let expected = try rounding.values(of: type.rawValue)
    let source = try ModelSource.open(FileSystem.join(golden, "tiny"))
    var values = try load(source.weights, source.model)
    let range = try #require(source.model.parameters.first { $0.count >= exact.count }).range
    values.replaceSubrange(range.prefix(exact.count), with: exact)
    _ = try values.withUnsafeBufferPointer {
      try ModelFolderWriter(source, type: type).write(to: scratch.path, parameters: $0)
    }
    let copy = try ModelSource.open(scratch.path)
    #expect(copy.configuration["dtype"] == .string(type.rawValue))
    let found = try load(copy.weights, copy.model)[range.prefix(exact.count)]
    #expect(found.map(\.bitPattern) == expected.map(\.bitPattern))
  }

  @Test func writesNothingThatIsNotFinite() throws {
    let scratch = try Scratch()
    let source = try ModelSource.open(FileSystem.join(golden, "tiny"))
    var values = try load(source.weights, source.model)
    func attempt(_ type: StorageType) -> TregError? {
      userError {
        try values.withUnsafeBufferPointer {
          _ = try ModelFolderWriter(source, type: type).write(to: scratch.file("out"), parameters: $0)
        }
      }
    }
    values[0] = 70_000
    #expect(attempt(.float16)?.message == "tensor model.norm.weight holds 70000.0, which does not fit float16")
    values[0] = .nan
    #expect(attempt(.float32)?.exitCode == .nonFinite)
    #expect(try FileSystem.contents(ofFolder: scratch.file("out")).isEmpty)
  }

  @Test func convertsAndReportsWhatItLeftOut() throws {
    let scratch = try Scratch()
    let source = try ModelSource.open(FileSystem.join(golden, "tiny.gguf"))
    let summary = try ModelConverter.convert(source, to: scratch.file("out"))
    #expect(summary.written.parameterCount == source.model.parameterCount)
    #expect(summary.written.weightBytes == 4 * source.model.parameterCount)
    #expect(summary.unusedTensors.isEmpty)
    let folder = try ModelSource.open(scratch.file("out"))
    #expect(try load(folder.weights, folder.model) == load(source.weights, source.model))
    #expect(folder.tokenizerJSON == source.tokenizerJSON && folder.chatTemplate == source.chatTemplate)
    let again = userError { _ = try ModelConverter.convert(source, to: scratch.file("out")) }
    #expect(again?.exitCode == .cannotCreate)
    _ = try ModelConverter.convert(source, to: scratch.file("out"), type: .bfloat16, overwrite: true)
    #expect(try ModelSource.open(scratch.file("out")).configuration["torch_dtype"] == "bfloat16")
  }

  @Test func readsTypesAsPeopleWriteThem() throws {
    #expect(try StorageType.parse("bf16") == .bfloat16)
    #expect(userError { _ = try StorageType.parse("int8") }?.exitCode == .usage)
  }
}
