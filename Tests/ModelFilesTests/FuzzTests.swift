import FuzzSupport
import ModelDescription
import ModelFiles
import OrderedJSON
import RunFolder
import Testing

/// Damaged weight files are read or refused with an error for users, never worse; see ``Fuzz``.
@Suite struct FuzzTests {
  private let scratch: Scratch
  init() throws { scratch = try Scratch() }

  /// Whether `body` ran through; an error for users counts as a refusal, any other is a finding.
  private func accepts(_ body: () throws -> Void) throws -> Bool {
    do {
      try body()
      return true
    } catch let error as TregError {
      #expect(error.exitCode != .bug)
      #expect(!error.message.utf8.contains(UInt8(ascii: "\n")))
      return false
    }
  }

  @Test func safetensorsFiles() throws {
    let good = try FileSystem.readBytes(FileSystem.join(golden, "rounding.safetensors"))
    let model = try FileSystem.readBytes(FileSystem.join(golden, "tiny/model.safetensors"))
    let small = safetensors(
      #"{"__metadata__":{"a":"b"},"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},"#
        + #""b":{"dtype":"F32","shape":[],"data_offsets":[12,16]}}"#, Array(repeating: 0, count: 16))
    let tokens = [
      "\"dtype\":\"F64\"", "\"F4\"", "\"shape\":[0]", "\"data_offsets\":[0,0]", "[[", "{}", "-1", "1e30",
      "9223372036854775807", "\"__metadata__\":",
    ].map { Array($0.utf8) }
    let report = try Fuzz.run("safetensors", corpus: [good, model, small, small], tokens: tokens, front: 300) { bytes in
      let path = try scratch.overwrite("x.safetensors", bytes)
      return try accepts {
        let file = try SafetensorsFile(path)
        for name in file.names { _ = try file.values(of: name) }
      }
    }
    #expect(report.sawBoth)
  }

  @Test func safetensorsIndex() throws {
    let index = #"{"metadata":{"total_size":1},"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors"}}"#
    let weights = safetensors(#"{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}"#, [0, 0, 0, 0])
    let folder = scratch.file("folder")
    try scratch.write("folder/model-1.safetensors", weights)
    try scratch.write(
      "folder/model-2.safetensors", safetensors(#"{"b":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#, []))
    let report = try Fuzz.run(
      "safetensors-index", corpus: [Array(index.utf8)], tokens: ["../", "{}", "null"].map { Array($0.utf8) }
    ) { bytes in
      _ = try scratch.overwrite("folder/model.safetensors.index.json", bytes)
      return try accepts { _ = try SafetensorsFolder(folder) }
    }
    #expect(report.sawBoth)
  }

  @Test func ggufFiles() throws {
    var builders: [[UInt8]] = []
    for architecture in ["llama", "gemma3", "phi3", "gpt2", "granite"] {
      builders.append(GGUFBuilder.model(architecture, pre: "smollm").bytes())
    }
    var sentencePiece = GGUFBuilder.model("llama", pre: "default")
    sentencePiece.metadata["tokenizer.ggml.model"] = .string("llama")
    sentencePiece.metadata["tokenizer.ggml.scores"] = .numbers([0, 0, -1, -2, -3])
    sentencePiece.tensors["rope_freqs.weight"] = ([2], [1, 8])
    sentencePiece.stored["q"] = (14, [2, 256], Array(repeating: 7, count: 420))
    builders.append(sentencePiece.bytes())
    for name in ["quantised.gguf", "tiny.gguf"] {
      builders.append(try FileSystem.readBytes(FileSystem.join(golden, name)))
    }
    let tokens = ["llama", "gemma2", "gemma3", "qwen2", "phi3", "blk.0.", "longrope", "yarn", "rope.scaling.type"]
      .map { Array($0.utf8) }
    let report = try Fuzz.run("gguf", corpus: builders, tokens: tokens, front: 2500) { bytes in
      let path = try scratch.overwrite("x.gguf", bytes)
      let isFile = try accepts {
        let file = try GGUFFile(path)
        for name in file.names { _ = try file.values(of: name) }
      }
      let isModel = try accepts {
        let source = try ModelSource.open(path)
        _ = try load(source.weights, source.model)
      }
      return isFile || isModel
    }
    #expect(report.sawBoth)
  }
}
